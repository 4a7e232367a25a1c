"""Round after round: in each, every server has its turn, so that all meet the same moments."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import NamedTuple

from bench.building import NotBuilt
from bench.load import LoadFailed, LoadGenerator, Sample
from bench.programs import FILES, Place
from bench.servers import Server, ServerFailed
from bench.works import Work

# Descriptors that are no connections, and what a connection takes where that is more than one:
# a pipe to splice through has two.
RESERVED_FILES = 200
FILES_EACH = {"go-copy": 3}


Meanwhile = Callable[[], Sample]


class Bench(NamedTuple):
    """What all measurements of a run have in common."""

    place: Place
    core: int  # of the servers
    generator: LoadGenerator
    rounds: int


class Measured(NamedTuple):
    """The samples of each server, one a round; or why there are none."""

    samples: dict[str, list[Sample]]
    not_run: dict[str, str]
    failed: dict[str, str]


def measure(bench: Bench, work: Work) -> Measured:
    """Put each server of a work under its load, in every round."""
    done = Measured({}, {}, {})
    if work.mode == "idle":  # memory that was used once is not given back: a new server each time
        for name in [name for _ in range(bench.rounds) for name in work.servers]:
            _take_turns(bench, work, [name], 1, done)
    else:
        _take_turns(bench, work, work.servers, bench.rounds, done)
    return done


def _take_turns(
    bench: Bench, work: Work, names: Sequence[str], rounds: int, done: Measured
) -> None:
    with ExitStack() as stack:
        servers: list[Server] = []
        for name in names:
            try:
                server = Server(bench.place, name, work, bench.core)
                servers.append(stack.enter_context(server))
            except NotBuilt as error:
                done.not_run[name] = str(error)
        for server in _turns(servers, rounds):
            if server.name not in done.failed:
                try:
                    sample = _sample(bench, work, server)
                    done.samples.setdefault(server.name, []).append(sample)
                except (ServerFailed, LoadFailed, NotBuilt, OSError) as error:
                    done.failed[server.name] = str(error)
                    done.samples.pop(server.name, None)


def _turns(servers: list[Server], rounds: int) -> Iterator[Server]:
    """Who has a turn when: each round begins with another server."""
    for start in range(rounds):
        for i in range(len(servers)):
            yield servers[(start + i) % len(servers)]


def _sample(bench: Bench, work: Work, server: Server) -> Sample:
    """Put a server under load once. Raises ServerFailed, LoadFailed, NotBuilt, OSError."""
    if not server.pids:
        server.wait()
    server.settle()
    most = (FILES - RESERVED_FILES) // FILES_EACH.get(server.name, 1)
    work = work._replace(connections=min(work.connections, most))
    return (_idle_sample if work.mode == "idle" else _load)(bench, work, server)


def _load(bench: Bench, work: Work, server: Server, meanwhile: Meanwhile = dict) -> Sample:
    before = server.ticks()

    def seen() -> Sample:
        own, kernel = (b - a for a, b in zip(before, server.ticks(), strict=True))
        share = kernel / (own + kernel or 1)
        return {"kernel_share": share, "memory": server.resident_bytes(), **meanwhile()}

    return bench.generator.run(work, server.port, server.pids, seen)


def _idle_sample(bench: Bench, work: Work, server: Server) -> Sample:
    """What the second half of the connections adds: the first may find room that the server had
    taken and freed before, as an interpreter does when it imports.
    """
    half = work._replace(connections=work.connections // 2)

    def second_half() -> Sample:
        before = server.resident_bytes()
        sample = _load(bench, half, server)
        more = {"memory_before": before, "added": sample["connections"]}
        return {**more, "memory": sample["memory"]}

    return _load(bench, half, server, second_half)

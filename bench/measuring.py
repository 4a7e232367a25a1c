"""Round after round: in each, every server has its turn, so that all meet the same moments."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from subprocess import CalledProcessError
from typing import NamedTuple

from bench import load
from bench.building import NotBuilt
from bench.load import LoadFailed, Sample
from bench.programs import FILES, Place
from bench.servers import Server, ServerFailed
from bench.works import Work


# Descriptors that are not connections, and those that the pipe of a splice takes beside its own.
RESERVED_FILES = 200
FILES_PER_CONNECTION = {"go-copy": 3}


class Bench(NamedTuple):
    """What all measurements of a run have in common."""

    place: Place
    generator: Path
    server_core: int
    load_core: int
    rounds: int
    seconds: float


class Measured(NamedTuple):
    """The samples of each server of a work, a sample a round; or why there are none."""

    samples: dict[str, list[Sample]]
    not_run: dict[str, str]
    failed: dict[str, str]


def measure(bench: Bench, work: Work) -> Measured:
    """Put all servers of a work under its load."""
    done = Measured({}, {}, {})
    if work.mode == "idle":
        for _ in range(bench.rounds):  # memory that was used does not come back
            for name in work.servers:
                _measure_together(bench, work, [name], 1, done)
    else:
        _measure_together(bench, work, work.servers, bench.rounds, done)
    return done


def _measure_together(
    bench: Bench, work: Work, names: Sequence[str], rounds: int, done: Measured
) -> None:
    with ExitStack() as stack:
        servers = {}
        for name in names:
            if name in done.not_run or name in done.failed:
                continue
            try:
                servers[name] = stack.enter_context(
                    Server(bench.place, name, work, bench.server_core)
                )
            except NotBuilt as error:
                done.not_run[name] = str(error)
        for name, server in _turns(servers, rounds):
            if name not in done.failed:
                try:
                    done.samples.setdefault(name, []).append(_sample(bench, work, server))
                except (ServerFailed, LoadFailed, CalledProcessError, OSError) as error:
                    done.failed[name] = str(error)
                    done.samples.pop(name, None)


def _turns(servers: dict[str, Server], rounds: int) -> Iterator[tuple[str, Server]]:
    """Who has a turn when: each round begins with another server."""
    order = list(servers.items())
    for number in range(rounds):
        start = number % max(1, len(order))
        yield from order[start:] + order[:start]


def _sample(bench: Bench, work: Work, server: Server) -> Sample:
    if not server.pids:
        server.wait()
    server.settle()
    most = (FILES - RESERVED_FILES) // FILES_PER_CONNECTION.get(server.name, 1)
    work = work._replace(connections=min(work.connections, most))
    before = server.resident_bytes()

    def memory() -> Sample:
        return {"memory_before": before, "memory": server.resident_bytes()}

    return load.run(
        bench.generator, work, server.port, server.pids, bench.load_core, bench.seconds, memory
    )

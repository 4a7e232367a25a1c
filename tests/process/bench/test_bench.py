"""The runner on real servers: what it measures, what it does not, and that it leaves nothing."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bench import building, once, processes
from bench.load import LoadGenerator
from bench.measuring import Bench, measure
from bench.programs import Local
from bench.result import COSTS, cpu
from bench.works import BY_NAME, Work
from children import running
from compiler import load_generator
from server_process import PATIENCE_S, is_running, wait_until

ROOT = Path(__file__).parents[3]

# The servers that need nothing but an interpreter and a C compiler.
HERE = ("evented", "threaded", "iterative", "c", "asyncio", "socketserver")


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Two short rounds on the local interpreter, all on one core that this test may use."""
    monkeypatch.setattr("bench.load.SHORT_CONNECTIONS", 100)
    core = min(os.sched_getaffinity(0))
    return Bench(Local(), core, LoadGenerator(load_generator(), core, 0.05), rounds=2)


def small(name: str, connections: int) -> Work:
    """A work with few connections, for the servers that can be had here."""
    work = BY_NAME[name]
    servers = tuple(server for server in HERE if server in work.servers)
    return work._replace(connections=connections, servers=servers)


@pytest.mark.parametrize("name", ["echo-64x64", "echo-16x64k", "daytime", "udp", "bulk"])
def test_every_server_does_its_work(bench: Bench, name: str) -> None:
    """Each sends back the right bytes, in each round, and uses the processor for it."""
    work = small(name, 1 if name == "bulk" else 4)
    done = measure(bench, work)
    assert not done.not_run
    assert not done.failed
    assert done.samples.keys() == set(work.servers)
    for samples in done.samples.values():
        assert len(samples) == bench.rounds
        assert all(COSTS.get(work.mode, cpu)(sample) > 0 for sample in samples)


def test_idle_connections_take_memory(bench: Bench) -> None:
    """Half of the connections is there before the half that is counted."""
    done = measure(bench, small("idle", 400)._replace(servers=("asyncio",)))
    for sample in done.samples["asyncio"]:
        assert (sample["connections"], sample["added"]) == (200, 200)
        assert sample["memory"] > sample["memory_before"] > 1 << 20


def test_what_cannot_be_built_is_told(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without a compiler its server is not run, and all others are."""
    monkeypatch.setattr(building, "BUILD", tmp_path)
    monkeypatch.setattr(building, "CC", "no-such-compiler")
    done = measure(bench, small("echo-64x64", 4)._replace(servers=("evented", "c")))
    assert done.not_run == {"c": "no-such-compiler: no such file or directory"}
    assert done.samples.keys() == {"evented"}
    assert not done.failed


def test_a_server_that_does_not_start_is_told(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its last words are the reason, and the other servers are measured."""
    monkeypatch.setattr("bench.programs.UDP_FLAGS", ["--udp", "--udp-rate", "fast"])
    done = measure(bench, small("udp", 4)._replace(servers=("evented", "c")))
    assert done.failed == {
        "evented": "did not start: echo: --udp-rate fast: must be a whole number from 0 to "
        "1000000, in digits only"
    }
    assert done.samples.keys() == {"c"}


def test_startup_is_measured_beside_an_idle_interpreter(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So many starts of each service, and as many of an interpreter with nothing to do."""
    monkeypatch.setattr(once, "STARTS", 2)
    found = once.startup(bench)
    assert found.keys() == {"echo", "daytime"}
    for service, took in found.items():
        assert took.keys() == {"nothing", service}
        assert all(len(each) == 2 and min(each) > 0 for each in took.values())


@pytest.mark.usefixtures("interruptible")
def test_interrupted_it_leaves_no_server() -> None:
    """Ctrl-C ends a run with status 130 and one line, and all that it has started."""
    load_generator()
    command = [sys.executable, "-m", "bench", "quick", "--source", "local", "--rounds", "60"]
    command += ["--only", "echo-64x64", "--servers", "evented,asyncio"]
    with running(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:

        def three_children() -> list[int]:
            family = processes.tree(process.pid)
            return family[1:] if len(family) >= 4 else []

        children = wait_until(three_children, "two servers and the load generator")
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, errors) == (130, "bench: interrupted\n")
    wait_until(lambda: not any(map(is_running, children)), "the end of all that it has started")


@pytest.mark.parametrize(
    "arguments",
    [
        "",
        "sing",
        "quick --only echo",
        "quick --servers go,perl",
        "quick --rounds 0",
        "run --only x",
    ],
)
def test_wrong_arguments(arguments: str) -> None:
    """What it does not know it refuses with status 2, and says so in the last line."""
    command = [sys.executable, "-m", "bench", *arguments.split()]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "error: " in done.stderr.splitlines()[-1]

"""Users and readers who leave: Ctrl-C at any moment, and outputs that nobody reads any more."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from peer import (
    PATIENCE_S,
    DatagramPeer,
    Peer,
    Step,
    black_hole,
    echo,
    expect,
    refusing,
    send,
    wait_for,
)
from process.clients.tool import LAUNCHER, STOPS, Tool, finish, start, start_python, stop
from server_process import is_connecting, is_writing, wait_until

HOLD: Tool = ("probe", "hold")
REACHING: list[Tool] = [("headinfo",), ("probe", "daytime"), ("probe", "echo"), HOLD]
TOOLS = pytest.mark.parametrize("tool", REACHING, ids=" ".join)

# An import that the user interrupts.
INTERRUPTED_IMPORT = """
import os, signal, sys
class Interrupted:
    def find_spec(name, *_):
        if name == "probes.net.tcp":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupted)
"""
# A look-up that the user interrupts.
INTERRUPTED_LOOKUP = """
import os, signal, socket, time
socket.getaddrinfo = lambda *_: (os.kill(os.getpid(), signal.SIGINT), time.sleep(60))
"""

# A signal that comes when the run is over: as its report is put in place of the one from before the
# run, as its summary is told, and as the interpreter goes.
LATE_SIGNAL = """
import builtins, os, pathlib
def send():
    os.kill(os.getpid(), {number})
def send_before(owner, name, is_due):
    wrapped = getattr(owner, name)
    def call(*arguments, **options):
        if is_due(*arguments):
            send()
        return wrapped(*arguments, **options)
    setattr(owner, name, call)
"""
LATE = {
    "report": """
replaced = []
send_before(pathlib.Path, "replace", lambda *_: replaced.append(0) or len(replaced) == 2)
""",
    "summary": """
send_before(builtins, "print", lambda *texts: "SUMMARY" in str(texts))
""",
    "exit": """
class Last:
    def __del__(self, kill=os.kill, pid=os.getpid()):
        kill(pid, {number})
last = Last()
""",
}
# A signal that comes when a part of a try's times is counted.
AMID_BOOKS = """
from probes.stats.histogram import Histogram
counted = []
send_before(Histogram, "add", lambda *_: counted.append(0) or len(counted) == 2)
"""
SUMMING: list[Tool] = [
    ("probe", "echo", "--count", "2", "--interval", "0.01"),
    ("probe", "hold", "--duration", "0.1"),
    ("probe", "watch", "echo", "--count", "2", "--interval", "0.01"),
    ("probe", "conform", "daytime", "--timeout", "0.1"),
]
STUCK: list[Tool] = [
    ("probe", "echo", "--count", "1000000", "--interval", "0.001", "--json"),
    ("probe", "watch", "echo", "--interval", "0.001", "--every", "0.002", "--json"),
]
REPORTS = {"watch": "--report", "conform": "--junit"}

# Far above the patience of `finish`: whoever waits for it does not pass.
PATIENT = ("--timeout", "600")


@pytest.mark.fault("Ctrl-C, in any phase, from the tool's first import on")
@TOOLS
@pytest.mark.usefixtures("interruptible")
def test_interrupt_at_start(tool: Tool) -> None:
    """Ctrl-C while modules are still being imported is quiet and exits with 130."""
    program = INTERRUPTED_IMPORT + LAUNCHER.format(tool=tool[0])
    with refusing() as address:
        done = finish(start_python("-c", program, *tool[1:], address))
    assert (done.code, done.out, done.err) == (130, "", "")


@pytest.mark.fault("Ctrl-C, in any phase, from the tool's first import on")
@TOOLS
@pytest.mark.usefixtures("interruptible")
def test_interrupt_in_lookup(tool: Tool) -> None:
    """Ctrl-C while the resolver is silent is quiet and exits with 130."""
    program = INTERRUPTED_LOOKUP + LAUNCHER.format(tool=tool[0])
    done = finish(start_python("-c", program, *tool[1:], "host:80", *PATIENT))
    assert (done.code, done.out, done.err) == (130, "", "")


@pytest.mark.fault("Ctrl-C, in any phase, from the tool's first import on")
@TOOLS
@pytest.mark.usefixtures("interruptible")
def test_interrupt_in_connect(tool: Tool) -> None:
    """Ctrl-C while nobody answers the SYN is quiet and exits with 130."""
    with black_hole() as address:
        process = start(*tool, address, *PATIENT)
        wait_until(lambda: is_connecting(process.pid), "a SYN")
        done = stop(process)
    assert (done.code, done.out, done.err) == (130, "", "")


@pytest.mark.fault("Ctrl-C, in any phase, from the tool's first import on")
@TOOLS
@pytest.mark.usefixtures("interruptible")
def test_interrupt_in_answer(tool: Tool) -> None:
    """Ctrl-C while waiting for the answer exits with 130, and is quiet if no more is to be told."""
    connected, over = threading.Event(), threading.Event()
    with Peer(lambda _: connected.set(), wait_for(over)) as peer:
        process = start(*tool, peer.address, *PATIENT)
        assert connected.wait(PATIENCE_S)
        if tool == HOLD:
            assert process.stdout
            assert process.stdout.readline().startswith(b"OPEN ")
        done = stop(process)
        over.set()
    assert (done.code, done.words, done.err) == (130, ["SUMMARY"] if tool == HOLD else [], "")


@pytest.mark.fault("Ctrl-C, in any phase, from the tool's first import on")
@pytest.mark.parametrize("protocol", ["daytime", "echo"])
@pytest.mark.usefixtures("interruptible")
def test_interrupt_over_udp(protocol: str) -> None:
    """Ctrl-C while waiting for a datagram is quiet and exits with 130."""
    asked = threading.Event()
    with DatagramPeer(lambda _: asked.set()) as peer:
        process = start("probe", protocol, peer.address, "--udp", *PATIENT)
        assert asked.wait(PATIENCE_S)
        done = stop(process)
    assert (done.code, done.out, done.err) == (130, "", "")


@pytest.mark.fault("Ctrl-C, SIGTERM or SIGHUP when the run is over")
@STOPS
@pytest.mark.parametrize("moment", LATE)
@pytest.mark.parametrize("tool", SUMMING, ids=" ".join)
@pytest.mark.usefixtures("interruptible")
def test_a_signal_that_comes_too_late(
    tool: Tool, moment: str, number: signal.Signals, tmp_path: Path
) -> None:
    """When the run is over a signal changes nothing: neither report nor summary nor exit code."""
    program = (LATE_SIGNAL + LATE[moment]).format(number=number.value) + LAUNCHER.format(
        tool="probe"
    )
    option = REPORTS.get(tool[1])
    report = [option, str(tmp_path / "report")] if option else []
    with Peer(echo()) as peer:
        done = finish(start_python("-c", program, *tool[1:], peer.address, *report))
    assert (done.code, done.words[-1], done.err) == (int("conform" in tool), "SUMMARY", "")
    assert "interrupted" not in done.out
    assert [each.name for each in tmp_path.iterdir()] == (["report"] if report else [])
    assert all("ended before" not in each.read_text() for each in tmp_path.iterdir())


@pytest.mark.fault("Ctrl-C, SIGTERM or SIGHUP while a result is recorded")
@pytest.mark.parametrize("command", ["echo", "watch echo"])
@pytest.mark.usefixtures("interruptible")
def test_a_signal_amid_the_books(command: str) -> None:
    """A try is counted everywhere or nowhere: lines and summary agree, also about the last one."""
    program = (LATE_SIGNAL + AMID_BOOKS).format(number=signal.SIGINT.value)
    arguments = ("--count", "9", "--interval", "0.01", "--json")
    with Peer(echo()) as peer:
        called = (*command.split(), peer.address, *arguments)
        done = finish(start_python("-c", program + LAUNCHER.format(tool="probe"), *called))
    *told, summary = [json.loads(line) for line in done.out.splitlines()]
    lines = [each.get("sent", 1) for each in told if each["type"] in ("try", "interval")]
    assert (done.code, summary["exit"], summary["sent"], lines) == (130, 130, 1, [1])


@contextmanager
def nobody_reading() -> Iterator[int]:
    """A pipe whose reader has gone."""
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


ANSWERS: dict[Tool, list[Step]] = {
    ("headinfo",): [expect(b"HEAD / HTTP/1.0\r\n\r\n"), send(b"HTTP/1.0 200 OK\r\n\r\n")],
    ("probe", "daytime"): [send(b"Sun Aug 29 17:25:19 EST 2010\r\n")],
    ("probe", "echo"): [echo()],
    ("probe", "hold"): [echo()],
}


@pytest.mark.fault("a closed stdout")
@pytest.mark.parametrize(
    ("tool", "form"),
    [*((tool, form) for tool in ANSWERS for form in ("", "--json")), (("headinfo",), "--raw")],
)
def test_closed_stdout(tool: Tool, form: str) -> None:
    """Data that nobody reads any more ends a tool quietly, with the code of SIGPIPE."""
    program = LAUNCHER.format(tool=tool[0])
    with Peer(*ANSWERS[tool]) as peer, nobody_reading() as stdout:
        arguments = filter(None, [*tool[1:], peer.address, form])
        done = finish(start_python("-c", program, *arguments, stdout=stdout))
    assert (done.code, done.err) == (141, "")


@contextmanager
def reader_who_does_not_read() -> Iterator[tuple[int, int]]:
    """Both ends of a small pipe."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    yield reader, writer
    os.close(reader)
    os.close(writer)


@pytest.mark.fault("a pipe that is open and not read")
@STOPS
@pytest.mark.parametrize("tool", STUCK, ids=" ".join)
@pytest.mark.usefixtures("interruptible")
def test_a_reader_who_does_not_read(tool: Tool, number: signal.Signals) -> None:
    """Data that is in the way of its own end is given up: the third signal at most ends a tool."""
    program = LAUNCHER.format(tool="probe")
    with Peer(echo()) as peer, reader_who_does_not_read() as (_, stdout):
        arguments = [*tool[1:], peer.address]
        process = start_python("-c", program, *arguments, stdout=stdout)
        for _ in range(3):
            wait_until(lambda: process.poll() is not None or is_writing(process.pid), "a full pipe")
            process.send_signal(number)
        done = finish(process)
    assert (done.code, done.err) == (130, "")


@pytest.mark.fault("a closed stderr")
def test_closed_stderr() -> None:
    """Messages that nobody reads any more change nothing."""
    program = LAUNCHER.format(tool="headinfo")
    with refusing() as address, nobody_reading() as stderr:
        done = finish(start_python("-c", program, address, stderr=stderr))
    assert (done.code, done.out) == (7, "")

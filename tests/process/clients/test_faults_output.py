"""Outputs that are non-blocking and full: pipes, sockets and terminals with a slow reader."""

from __future__ import annotations

import json
import os
import pty
import signal
import socket
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from subprocess import PIPE, Popen

import pytest

from peer import Peer, Step, echo, expect, refusing, send
from process.clients.tool import ENVIRONMENT, LAUNCHER, STOPS, Run, Tool, finish, run, start_python
from server_process import wait_until

Ends = Callable[[], tuple[int, int]]

# What the pipe, socket or terminal holds before a tool starts.
FILLER = b"."
HEAD = b"HTTP/1.0 200 OK\r\n" + b"A: b\r\n" * 10_000 + b"\r\n"
ANSWER: list[Step] = [expect(b"HEAD / HTTP/1.0\r\n\r\n"), send(HEAD)]
SERIES: Tool = ("probe", "echo", "--count", "100", "--interval", "0.001", "--json")
WATCH: Tool = ("probe", "watch", "echo", "--count", "100", "--interval", "0.001", "--report", "-")
CONFORM: Tool = ("probe", "conform", "echo", "--timeout", "5", "--junit", "-")
# By tool: its peer, its exit code, and the end of what it writes.
LONG: dict[Tool, tuple[list[Step], int, bytes]] = {
    ("headinfo",): (ANSWER, 0, b"\nA: b\n"),
    ("headinfo", "--raw"): (ANSWER, 0, b"\r\nA: b\r\n\r\n"),
    SERIES: ([echo()], 0, b'"unfinished_ms": null}\n'),
    WATCH: ([echo()], 0, b"</html>\n"),
    CONFORM: ([echo()], 1, b"</testsuites>\n"),
}


def stream_socket() -> tuple[int, int]:
    """Both ends of a connection."""
    ours, its = socket.socketpair()
    return ours.detach(), its.detach()


def terminal() -> tuple[int, int]:
    """Both ends of a terminal that passes every byte on as it is."""
    ours, its = pty.openpty()
    tty.setraw(its)
    return ours, its


OUTPUTS = pytest.mark.parametrize("ends", [os.pipe, stream_socket, terminal])


@contextmanager
def full(ends: Ends) -> Iterator[tuple[int, int]]:
    """Both ends of an output that is non-blocking and full."""
    reader, writer = ends()
    os.set_blocking(writer, False)
    for size in (512, 1):  # what is left after the long writes takes short ones
        with suppress(BlockingIOError):
            while True:
                os.write(writer, FILLER * size)
    yield reader, writer
    for descriptor in (reader, writer):
        with suppress(OSError):  # a test may have closed it
            os.close(descriptor)


def start_at(writer: int, tool: Tool, *arguments: str, stream: str = "stdout") -> Popen[bytes]:
    """Start a tool with a full stdout or stderr, and see it wait for that."""
    stdout, stderr = (writer, PIPE) if stream == "stdout" else (PIPE, writer)
    program = LAUNCHER.format(tool=tool[0])
    process = start_python("-c", program, *tool[1:], *arguments, stdout=stdout, stderr=stderr)
    os.close(writer)
    wait_until(lambda: is_waiting(process), "a tool that waits for its output")
    return process


def is_waiting(process: Popen[bytes]) -> bool:
    """Whether a tool has ended or waits for a descriptor."""
    if process.poll() is not None:
        return True
    return "poll" in Path(f"/proc/{process.pid}/wchan").read_text()


def read_all(reader: int) -> bytes:
    """All that a tool writes behind the filler."""
    chunks = []
    with suppress(OSError):  # EIO is the end of a terminal
        while chunk := os.read(reader, 4096):
            chunks.append(chunk)
    return b"".join(chunks).lstrip(FILLER)


def run_into(ends: Ends, tool: Tool, *arguments: str) -> Run:
    """Run a tool into a full stdout that is read once the tool waits."""
    with full(ends) as (reader, writer):
        process = start_at(writer, tool, *arguments)
        written = read_all(reader)
        done = finish(process)
    return Run(done.code, written, done.stderr)


@OUTPUTS
@pytest.mark.parametrize(
    "tool", [("probe", "--help"), ("probe", "echo", "--version"), ("headinfo", "--help")]
)
@pytest.mark.fault("a slow reader of a non-blocking stdout or stderr")
def test_help_reaches_a_slow_reader(ends: Ends, tool: Tool) -> None:
    """Help and version reach a slow reader of a non-blocking output whole."""
    assert run_into(ends, tool) == run(*tool)


@pytest.mark.parametrize("tool", LONG, ids=" ".join)
@pytest.mark.fault("a slow reader of a non-blocking stdout or stderr")
def test_results_reach_a_slow_reader(tool: Tool) -> None:
    """Heads, lines and reports reach a slow reader of a non-blocking pipe whole."""
    script, code, end = LONG[tool]
    with Peer(*script) as peer:
        done = run_into(os.pipe, tool, peer.address)
    assert (done.code, done.stdout[-len(end) :]) == (code, end)


@OUTPUTS
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.fault("a slow reader of a non-blocking stdout or stderr")
def test_lines_reach_a_slow_reader(
    ends: Ends, unbuffered: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each line of a series reaches a slow reader once, also with PYTHONUNBUFFERED."""
    monkeypatch.setitem(ENVIRONMENT, "PYTHONUNBUFFERED", unbuffered)
    with Peer(echo()) as peer:
        done = run_into(ends, SERIES, peer.address)
    *tries, summary = map(json.loads, done.stdout.splitlines())
    numbers = [each["try"] for each in tries]
    assert (done.code, numbers, summary["sent"]) == (0, list(range(1, 101)), 100)


@OUTPUTS
@pytest.mark.fault("a slow reader of a non-blocking stdout or stderr")
def test_messages_reach_a_slow_reader(ends: Ends) -> None:
    """A message reaches a slow reader of a non-blocking stderr."""
    with refusing() as address, full(ends) as (reader, writer):
        process = start_at(writer, ("headinfo",), address, stream="stderr")
        written = read_all(reader)
        assert (finish(process).code, b"REFUSED" in written) == (7, True)


@pytest.mark.fault("a slow reader of a non-blocking stdout or stderr")
def test_the_reader_leaves_while_a_tool_waits() -> None:
    """A reader that leaves while a tool waits for it ends the tool quietly, with 141."""
    with full(os.pipe) as (reader, writer):
        process = start_at(writer, ("probe", "--help"))
        os.close(reader)
        done = finish(process)
    assert (done.code, done.err) == (141, "")


@STOPS
@pytest.mark.usefixtures("interruptible")
@pytest.mark.fault("a slow reader of a non-blocking stdout or stderr")
def test_a_signal_while_a_tool_waits(number: signal.Signals) -> None:
    """The third signal at most ends a tool that waits for its reader."""
    with Peer(echo()) as peer, full(os.pipe) as (_, writer):
        process = start_at(writer, SERIES, peer.address)
        for _ in range(3):
            wait_until(lambda: is_waiting(process), "a tool that waits again")
            if process.poll() is None:
                process.send_signal(number)
        done = finish(process)
    assert (done.code, done.err) == (130, "")


@pytest.mark.fault("a slow reader of a non-blocking stdout or stderr")
def test_the_output_of_others_stays_non_blocking() -> None:
    """A tool leaves O_NONBLOCK as it is, for the processes that share the output."""
    with full(os.pipe) as (reader, writer):
        kept = os.dup(writer)
        process = start_at(writer, ("probe", "--version"))
        assert not os.get_blocking(kept)
        os.close(kept)
        assert read_all(reader)
        assert finish(process).code == 0

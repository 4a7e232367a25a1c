"""Users and readers who leave: Ctrl-C at any moment, and outputs that nobody reads any more."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager

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
from process.clients.tool import LAUNCHER, Run, Tool, finish, start, start_python
from server_process import is_connecting, is_sleeping, wait_until

HOLD: Tool = ("probe", "hold")
REACHING: list[Tool] = [("headinfo",), ("probe", "daytime"), ("probe", "echo"), HOLD]
TOOLS = pytest.mark.parametrize("tool", REACHING, ids=" ".join)

# An import that the user interrupts.
INTERRUPTED_IMPORT = """
import os, signal, sys
class Interrupted:
    def find_spec(name, *_):
        if name == "probes.connection":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupted)
"""
# A look-up that the user interrupts.
INTERRUPTED_LOOKUP = """
import os, signal, socket, time
socket.getaddrinfo = lambda *_: (os.kill(os.getpid(), signal.SIGINT), time.sleep(60))
"""

# Far above the patience of `finish`: whoever waits for it does not pass.
PATIENT = ("--timeout", "600")


def finish_interrupted(process: subprocess.Popen[bytes]) -> Run:
    """Press Ctrl-C while it waits."""
    # Between two calls that wait there is Python, in which a socket may just have been opened.
    wait_until(lambda: is_sleeping(process.pid), "a call that waits")
    process.send_signal(signal.SIGINT)
    return finish(process)


@TOOLS
@pytest.mark.usefixtures("interruptible")
def test_interrupt_at_start(tool: Tool) -> None:
    """Ctrl-C while modules are still being imported is quiet and exits with 130."""
    program = INTERRUPTED_IMPORT + LAUNCHER.format(tool=tool[0])
    with refusing() as address:
        done = finish(start_python("-c", program, *tool[1:], address))
    assert (done.code, done.out, done.err) == (130, "", "")


@TOOLS
@pytest.mark.usefixtures("interruptible")
def test_interrupt_in_lookup(tool: Tool) -> None:
    """Ctrl-C while the resolver is silent is quiet and exits with 130."""
    program = INTERRUPTED_LOOKUP + LAUNCHER.format(tool=tool[0])
    done = finish(start_python("-c", program, *tool[1:], "host:80", *PATIENT))
    assert (done.code, done.out, done.err) == (130, "", "")


@TOOLS
@pytest.mark.usefixtures("interruptible")
def test_interrupt_in_connect(tool: Tool) -> None:
    """Ctrl-C while nobody answers the SYN is quiet and exits with 130."""
    with black_hole() as address:
        process = start(*tool, address, *PATIENT)
        wait_until(lambda: is_connecting(process.pid), "a SYN")
        done = finish_interrupted(process)
    assert (done.code, done.out, done.err) == (130, "", "")


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
        done = finish_interrupted(process)
        over.set()
    assert (done.code, done.words, done.err) == (130, ["SUMMARY"] if tool == HOLD else [], "")


@pytest.mark.parametrize("protocol", ["daytime", "echo"])
@pytest.mark.usefixtures("interruptible")
def test_interrupt_over_udp(protocol: str) -> None:
    """Ctrl-C while waiting for a datagram is quiet and exits with 130."""
    asked = threading.Event()
    with DatagramPeer(lambda _: asked.set()) as peer:
        process = start("probe", protocol, peer.address, "--udp", *PATIENT)
        assert asked.wait(PATIENCE_S)
        done = finish_interrupted(process)
    assert (done.code, done.out, done.err) == (130, "", "")


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


def test_closed_stderr() -> None:
    """Messages that nobody reads any more change nothing."""
    program = LAUNCHER.format(tool="headinfo")
    with refusing() as address, nobody_reading() as stderr:
        done = finish(start_python("-c", program, address, stderr=stderr))
    assert (done.code, done.out) == (7, "")

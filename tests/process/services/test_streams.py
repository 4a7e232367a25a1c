"""Callers who stall, reset, vanish or never end: what they cost, and how they are ended."""

import random
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from server_process import (
    Serve,
    ServerProcess,
    receive_all,
    receive_exactly,
    talk,
    wait_until,
)

FAULTY = str(Path(__file__).parent / "faulty.py")

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30

# Linux's number, for which Python has no name: nine counters of struct sock (sock_diag(7)).
SO_MEMINFO = 55

# A caller with the smallest receive buffer: beside it, one buffer of the service and one of the
# kernel are needed to take all of this in, so that nothing is left unread.
SMALL_BUFFER, MORE = 4 * KIB, random.Random(5).randbytes(100 * KIB)

# In seconds, but for the last, which is in milliseconds (tcp(7)).
VANISHED_PEER_OPTIONS = {
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE): 1,
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE): 60,
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL): 10,
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT): 3,
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT): 90_000,
}


def kernel_memory(server: ServerProcess) -> int:
    """The bytes that the kernel holds for the server's callers, in both directions."""
    total = 0
    for accepted in server.accepted():
        with accepted:
            memory = accepted.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, 36)
        received, _, _, _, ahead, queued, options, backlog, _ = struct.unpack("=9I", memory)
        total += received + ahead + queued + options + backlog
    return total


def feed(callers: list[socket.socket]) -> None:
    """Have all callers send without reading, until none has room for a second."""
    data, moved_at = bytes(MIB), time.monotonic()
    for caller in callers:
        caller.setblocking(False)
    while time.monotonic() - moved_at < 1:
        for caller in callers:
            with suppress(BlockingIOError):
                caller.send(data)
                moved_at = time.monotonic()
        time.sleep(0.01)


@contextmanager
def reluctant_caller(server: ServerProcess) -> Iterator[socket.socket]:
    """A caller who has sent more than goes back before he reads."""
    with socket.socket() as caller:
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
        caller.settimeout(20)
        caller.connect(("127.0.0.1", server.port))
        caller.sendall(MORE)
        yield caller


def reset(caller: socket.socket) -> None:
    """Close with RST."""
    caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    caller.close()


@pytest.mark.fault("200 clients that send and never read")
def test_callers_who_do_not_read_cost_bounded_memory(serve: Serve, concurrent_model: str) -> None:
    """E4: 200 callers who send all they can and read nothing hold at most 64 MiB of the kernel's
    memory and 64 KiB each of the server's, and the next caller is served.
    """
    server = serve("echo", "--model", concurrent_model)
    before = server.peak_memory()
    with ExitStack() as stack:
        callers = [stack.enter_context(server.connect()) for _ in range(200)]
        for caller in callers:  # whose own side need not take a gigabyte of this machine
            caller.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, MIB // 4)
            for _ in range(16):  # by itself the kernel would give more room to who has been served
                talk(caller, bytes(64 * KIB))
        feed(callers)
        assert kernel_memory(server) <= 64 * MIB
        assert server.peak_memory() - before <= 200 * 64 * KIB + 16 * MIB
        with server.connect() as caller:
            caller.sendall(b"x")
            assert caller.recv(1) == b"x"


@pytest.mark.fault("a client that takes nothing of the echo")
def test_a_caller_who_takes_nothing_is_reset(serve: Serve, model: str) -> None:
    """E4: who takes nothing of the echo for the stall timeout is cut by RST, since an orderly
    close would leave the rest to the kernel; log and metrics tell.
    """
    server = serve("echo", "--model", model, "--stall-timeout", "0.5", admin=True)
    with reluctant_caller(server) as caller:
        (line,) = server.connections(1)
        with pytest.raises(ConnectionResetError):
            receive_all(caller)
    assert (line["ended"], line["bytes_in"]) == ("stalled", len(MORE))
    assert 500 <= line["milliseconds"] < 10_000
    assert 'endings_total{ending="stalled"} 1\n' in server.metrics()


@pytest.mark.fault("connections that are open at the drain timeout")
def test_who_is_owed_bytes_at_the_drain_deadline_is_reset(serve: Serve, model: str) -> None:
    """E1: a part of the echo never ends as if it were the whole: who is cut at the drain timeout
    while bytes are owed to him is cut by RST.
    """
    flags = ("--drain-timeout", "0.5", "--stall-timeout", "0")
    server = serve("echo", "--model", model, *flags, admin=True)
    with reluctant_caller(server) as caller:
        received = f'received_bytes_total{{transport="tcp"}} {len(MORE)}\n'
        wait_until(lambda: received in server.metrics(), "nothing left unread")
        assert server.stop() == 0
        with pytest.raises(ConnectionResetError):
            receive_all(caller)
    (line,) = server.connections(1)
    assert line["ended"] == "drained"
    assert line["bytes_out"] < line["bytes_in"]


@pytest.mark.fault("a client that reads slowly")
def test_a_caller_who_reads_slowly_is_not_stalled(serve: Serve, model: str) -> None:
    """E4: who takes a little within each stall timeout lives, even where that is too little to
    make room for the next send, and gets every byte.
    """
    server = serve("echo", "--model", model, "--stall-timeout", "2")
    pause, received = threading.Event(), b""
    with reluctant_caller(server) as caller:
        for _ in range(5):
            received += receive_exactly(caller, SMALL_BUFFER)
            pause.wait(0.5)
        caller.shutdown(socket.SHUT_WR)
        assert received + receive_all(caller) == MORE
    assert server.connections(1)[0]["ended"] == "done"


@pytest.mark.fault("a reset in the middle of the answer")
@pytest.mark.usefixtures("own_network")
def test_who_resets_in_mid_answer_leaves_nothing(serve: Serve, model: str) -> None:
    """500 callers who reset while they are being answered leave no line but their own, no
    descriptor and no thread.
    """
    server = serve("echo", "--model", model)
    with server.connect() as caller:
        caller.sendall(b"x")
        assert caller.recv(1) == b"x"
    server.connections(1)
    baseline = server.baseline()
    for _ in range(500):
        caller = server.connect()
        caller.sendall(MORE)
        assert caller.recv(1) == MORE[:1]
        reset(caller)
    assert {line["ended"] for line in server.connections(501)[1:]} == {"reset"}
    server.returns_to(baseline)
    assert server.stop() == 0
    assert {line["level"] for line in server.lines} == {"info"}
    assert server.stderr == ""


@pytest.mark.fault("a peer that vanished")
def test_a_vanished_caller_is_noticed(serve: Serve, model: str) -> None:
    """Every caller's socket has keepalive probes after 60 s, and gives up after 90 s with or
    without data under way.
    """
    server = serve("echo", "--model", model)
    with server.connect() as caller:
        caller.sendall(b"x")
        assert caller.recv(1) == b"x"
        (accepted,) = server.accepted()
        with accepted:
            options = {option: accepted.getsockopt(*option) for option in VANISHED_PEER_OPTIONS}
    assert options == VANISHED_PEER_OPTIONS


@pytest.mark.fault("a gigabyte through one connection")
def test_a_long_stream_needs_no_more_memory(serve: Serve, model: str) -> None:
    """E1: a gibibyte comes back byte by byte the same, and the server's memory stays flat."""
    server = serve("echo", "--model", model)
    data = random.Random(6).randbytes(MIB)
    with server.connect() as caller:
        caller.sendall(data)
        assert receive_exactly(caller, MIB) == data
        before = server.peak_memory()
        sender = threading.Thread(target=send_again, args=[caller, data, GIB], daemon=True)
        sender.start()
        for _ in range(GIB // MIB):
            assert receive_exactly(caller, MIB) == data
        sender.join()
        assert server.peak_memory() - before < 8 * MIB


def send_again(caller: socket.socket, data: bytes, size: int) -> None:
    """Send the same data until it is `size` bytes."""
    for _ in range(size // len(data)):
        caller.sendall(data)


@pytest.mark.fault("no memory for one client (injected)")
def test_no_memory_for_a_caller_ends_that_caller_only(serve: Serve, model: str) -> None:
    """Python's lack of memory while one is served is that one's end; the next is served."""
    server = serve("echo", "--model", model, program=FAULTY, env={"FAULTS": "recv_into MEMORY"})
    with server.connect() as unlucky:
        unlucky.sendall(b"x")
        with suppress(ConnectionResetError):
            assert unlucky.recv(1) == b""
    assert server.connections(1)[0]["ended"] == "lost"
    with server.connect() as caller:
        caller.sendall(b"x")
        assert caller.recv(1) == b"x"
    assert server.stderr == ""

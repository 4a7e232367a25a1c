"""Callers who do not read, vanish or never end: what they cost, and how they are noticed."""

import random
import socket
import struct
import threading
import time
from contextlib import ExitStack, suppress

from server_process import Serve, ServerProcess, receive_exactly

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30

# Linux's number, for which Python has no name: nine counters of struct sock (sock_diag(7)).
SO_MEMINFO = 55

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
    """Have all callers send without reading, until none has room for a quarter of a second."""
    data, moved_at = bytes(MIB), time.monotonic()
    for caller in callers:
        caller.setblocking(False)
    while time.monotonic() - moved_at < 0.25:
        for caller in callers:
            with suppress(BlockingIOError):
                caller.send(data)
                moved_at = time.monotonic()
        time.sleep(0.01)


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
        feed(callers)
        assert kernel_memory(server) <= 64 * MIB
        assert server.peak_memory() - before <= 200 * 64 * KIB + 16 * MIB
        with server.connect() as caller:
            caller.sendall(b"x")
            assert caller.recv(1) == b"x"


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

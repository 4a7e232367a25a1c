"""Echo of the evented model alone: small messages are copied, large ones spliced, and it shows in
nothing but the cost.
"""

import fcntl
import os
import random
import resource
import selectors
import socket
import struct
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from process.services.kernel_limits import SPLICE, no_privilege_over_pipes, no_splice
from server_process import Serve, ServerProcess, receive_all, receive_exactly, send_until_blocked

KIB, MIB = 1 << 10, 1 << 20
IDLE_CALLERS = 8000

HALF_SPLICED = str(Path(__file__).parent / "half_spliced.py")

Step = tuple[int, bool, bool]  # bytes to send, whether to read meanwhile, an urgent byte at last


@pytest.fixture(scope="module")
def echo() -> Iterator[ServerProcess]:
    """An evented echo server for all examples."""
    with ServerProcess("echo", "--model", "evented") as server:
        yield server


def converse(caller: socket.socket, steps: list[Step]) -> tuple[bytes, bytes]:
    """Send as the steps say, half-close, read to the end; what was sent, and what came back.

    A step that does not read sends as much as is taken from somebody who does not.
    """
    caller.setblocking(False)
    source, sent, received = random.Random(1), bytearray(), bytearray()
    for size, reads, urgent in steps:
        unsent = memoryview(source.randbytes(size))
        while unsent:
            wait(caller, selectors.EVENT_READ | selectors.EVENT_WRITE)
            if reads:
                with suppress(BlockingIOError):
                    received += caller.recv(MIB)
            try:
                count = caller.send(unsent)
            except BlockingIOError:
                if not reads:
                    break
                continue
            sent += unsent[:count]
            unsent = unsent[count:]
        if urgent:
            with suppress(BlockingIOError):
                caller.send(b"!", socket.MSG_OOB)
                sent += b"!"
    caller.shutdown(socket.SHUT_WR)
    caller.settimeout(20)
    return bytes(sent), bytes(received) + receive_all(caller)


def wait(caller: socket.socket, events: int) -> None:
    """Wait until the socket can be read or written, as asked."""
    with selectors.DefaultSelector() as selector:
        selector.register(caller, events)
        assert selector.select(20)


sizes = st.one_of(
    st.integers(1, 2 * KIB),
    st.sampled_from([8 * KIB - 1, 8 * KIB, 16 * KIB - 1, 16 * KIB, 64 * KIB, 64 * KIB + 1]),
    st.integers(32 * KIB, MIB),
)


@pytest.mark.fault(
    "messages of all sizes, pausing readers, urgent bytes (`evented`: copy and splice)"
)
@given(st.lists(st.tuples(sizes, st.booleans(), st.booleans()), max_size=8))
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_byte_survives_each_change_of_the_way(echo: ServerProcess, steps: list[Step]) -> None:
    """E1, E3, E4: whatever is copied, spliced, kept for a caller who does not read, or urgent,
    comes back in order, and then the end.
    """
    with echo.connect() as caller:
        sent, received = converse(caller, steps)
    assert received == sent


@pytest.mark.fault("a client that stops reading within a large stream (`evented`)")
def test_a_spliced_caller_who_does_not_read_holds_up_nobody(echo: ServerProcess) -> None:
    """E4: what one caller leaves in the middle of a stream is not in the way of the next, and he
    gets it all in the end.
    """
    data = random.Random(2).randbytes(32 * MIB)
    with echo.connect() as reluctant:
        sent = send_until_blocked(reluctant, data, timeout=0.5)
        with echo.connect() as other:
            mine, received = converse(other, [(4 * MIB, True, False)])
        assert received == mine
        assert receive_exactly(reluctant, sent) == data[:sent]


@pytest.mark.fault("a splice that fails half-way (injected; `evented`)")
@pytest.mark.parametrize("fails", ["memory", "reset"])
def test_half_a_splice_leaves_nothing_in_the_pipe(serve: Serve, fails: str) -> None:
    """E1: where a splice fails half-way, for want of memory or for a reset, none of the bytes goes
    to the next caller.
    """
    server = serve("echo", "--model", "evented", program=HALF_SPLICED, env={"FAILS": fails})
    with server.connect() as caller:
        caller.sendall(bytes(64 * KIB))
        receive_exactly(caller, 64 * KIB)  # from now on he is spliced
        caller.sendall(b"secret" * KIB)
        caller.shutdown(socket.SHUT_WR)
        receive_all(caller)
    with server.connect() as caller:
        sent, received = converse(caller, [(4 * MIB, True, False)])
    assert received == sent


@pytest.mark.fault("splice is refused, as by a seccomp profile (`evented`)")
@pytest.mark.skipif(SPLICE is None, reason="the number of splice is known for two machines only")
def test_where_splice_is_refused_bytes_are_copied(serve: Serve) -> None:
    """E1: under a seccomp profile that forbids splice the bytes are the same; one line tells."""
    server = serve("echo", "--model", "evented", "--log-level", "debug", before=no_splice)
    for _ in range(3):
        with server.connect() as caller:
            sent, received = converse(caller, [(4 * MIB, True, True)])
        assert received == sent
    (line,) = server.events("splice refused")
    assert (line["level"], line["error"]) == ("debug", "Operation not permitted")


@pytest.mark.fault("the user's limit on large pipes is reached (`evented`)")
def test_without_a_large_pipe_a_small_one_does(serve: Serve) -> None:
    """E1: a user who has used up his large pipes gets small ones, which are as exact."""
    with ExitStack() as stack:
        for _ in range(100):
            for end in os.pipe():
                stack.callback(os.close, end)
            with suppress(PermissionError):
                fcntl.fcntl(end, fcntl.F_SETPIPE_SZ, MIB)
        flags = ["--model", "evented", "--log-level", "debug"]
        server = serve("echo", *flags, before=no_privilege_over_pipes)
        assert max(pipe_sizes(server)) <= 64 * KIB
        with server.connect() as caller:
            sent, received = converse(caller, [(4 * MIB, True, False)])
        assert received == sent
        assert not server.events("splice refused")


def pipe_sizes(server: ServerProcess) -> list[int]:
    """The sizes in bytes of the pipes that a process both writes and reads."""
    ends: dict[str, set[int]] = {}
    sizes = {}
    for entry in Path(f"/proc/{server.process.pid}/fd").iterdir():
        if (link := str(entry.readlink())).startswith("pipe:"):
            ends.setdefault(link, set()).add(entry.lstat().st_mode & 0o600)  # proc(5)
            descriptor = os.open(entry, os.O_RDONLY | os.O_NONBLOCK)
            sizes[link] = fcntl.fcntl(descriptor, fcntl.F_GETPIPE_SZ)
            os.close(descriptor)
    return [sizes[link] for link, both in ends.items() if len(both) == 2]


@pytest.mark.fault("thousands of idle clients (`evented`)")
@pytest.mark.usefixtures("own_network")
def test_thousands_of_idle_callers_are_served(serve: Serve) -> None:
    """E2: as many callers as descriptors allow, up to 8,000, stay connected; then each gets his
    message back.
    """
    server = serve("echo", "--model", "evented")
    with ExitStack() as stack:
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, limit)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit[1], limit[1]))
        count = min(IDLE_CALLERS, server.ready["max_connections"], limit[1] - 100)
        callers = [stack.enter_context(server.connect()) for _ in range(count)]
        for number, caller in enumerate(callers):
            caller.sendall(struct.pack("I", number))
        for number, caller in enumerate(callers):
            assert receive_exactly(caller, 4) == struct.pack("I", number)

"""Echo over TCP (RFC 862), the same for every model."""

import random
import socket
import threading

import pytest

from server_process import (
    PATIENCE_S,
    Serve,
    receive_all,
    receive_exactly,
    send_until_blocked,
    wait_until,
)

MIB = 1 << 20


def send_in_background(caller: socket.socket, data: bytes) -> threading.Thread:
    """Send and then half-close, while the test reads."""

    def send() -> None:
        caller.sendall(data)
        caller.shutdown(socket.SHUT_WR)

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize("size", [1, 511, 65_536, 65_537, 3 * MIB + 1])
def test_every_byte_comes_back_in_order(serve: Serve, model: str, size: int) -> None:
    """E1: every byte received goes back, in order."""
    data = random.Random(size).randbytes(size)
    with serve("echo", "--model", model).connect() as caller:
        sender = send_in_background(caller, data)
        assert receive_all(caller) == data
        sender.join()


def test_nothing_waits_for_a_line(serve: Serve, model: str) -> None:
    """E1: there is no banner and no line buffering: each byte value comes back by itself."""
    with serve("echo", "--model", model).connect() as caller:
        for value in range(256):
            caller.sendall(bytes([value]))
            assert caller.recv(16) == bytes([value])


@pytest.mark.fault("urgent bytes (MSG_OOB)")
def test_urgent_bytes_are_bytes_of_the_stream(serve: Serve, model: str) -> None:
    """E1: urgent bytes come back in their place."""
    with serve("echo", "--model", model).connect() as caller:
        caller.sendall(b"before")
        caller.send(b"!", socket.MSG_OOB)
        caller.sendall(b"after")
        caller.shutdown(socket.SHUT_WR)
        assert receive_all(caller) == b"before!after"


def test_half_close_returns_everything(serve: Serve, model: str) -> None:
    """E3: after the caller's FIN all that was received still goes back, then the end."""
    data = random.Random(3).randbytes(8 * MIB)
    with serve("echo", "--model", model).connect() as caller:
        sender = send_in_background(caller, data)
        head = receive_exactly(caller, 1)
        assert head + receive_all(caller) == data
        sender.join()


def test_the_caller_ends_it(serve: Serve, model: str) -> None:
    """E2: the exchange goes on until the caller closes, and ends well."""
    server = serve("echo", "--model", model)
    with server.connect() as caller:
        for _ in range(100):
            caller.sendall(b"again")
            assert receive_exactly(caller, 5) == b"again"
    (line,) = server.connections(1)
    assert (line["bytes_in"], line["bytes_out"], line["ended"]) == (500, 500, "done")


def test_a_caller_who_does_not_read_is_not_read(serve: Serve, model: str) -> None:
    """E4: unread replies stop the server's reading, not its memory's bounds; none is lost."""
    data = random.Random(4).randbytes(32 * MIB)
    server = serve("echo", "--model", model)
    with server.connect() as caller:
        sent = send_until_blocked(caller, data, 1.0)
        assert sent < len(data)
        assert server.peak_memory() < 40 * MIB
        sender = threading.Thread(target=caller.sendall, args=[data[sent:]], daemon=True)
        sender.start()
        assert receive_exactly(caller, len(data)) == data
        sender.join()
        assert server.is_at_rest()
        caller.shutdown(socket.SHUT_WR)
        assert receive_all(caller) == b""


def test_a_reset_ends_only_its_own_connection(serve: Serve, model: str) -> None:
    """A caller who resets is one log line, and the next caller is served."""
    server = serve("echo", "--model", model)
    caller = server.connect()
    caller.sendall(b"x")
    assert caller.recv(1) == b"x"
    caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    caller.close()
    (line,) = server.connections(1)
    assert line["ended"] == "reset"
    with server.connect() as caller:
        caller.sendall(b"next")
        assert receive_exactly(caller, 4) == b"next"
    assert server.stop() == 0
    assert server.stderr == ""


@pytest.mark.fault("a client that sends nothing")
def test_an_idle_caller_is_let_go(serve: Serve, model: str) -> None:
    """E2: the idle timeout is a documented deviation: silence ends the connection."""
    server = serve("echo", "--model", model, "--idle-timeout", "0.5")
    with server.connect() as caller:
        assert caller.recv(1) == b""
    (line,) = server.connections(1)
    assert line["ended"] == "idle"
    assert 500 <= line["milliseconds"] < 5000


@pytest.mark.fault("a client that sends a byte now and then")
def test_a_slow_caller_is_not_idle(serve: Serve, model: str) -> None:
    """E2: every byte starts the idle timeout anew."""
    server = serve("echo", "--model", model, "--idle-timeout", "2")
    with server.connect() as caller:
        pause = threading.Event()
        for _ in range(5):
            caller.sendall(b"x")
            assert caller.recv(1) == b"x"
            pause.wait(0.5)
    assert server.connections(1)[0]["ended"] == "done"


def test_idle_timeout_0_never_comes(serve: Serve, model: str) -> None:
    """E2: 0 turns the idle timeout off."""
    with serve("echo", "--model", model, "--idle-timeout", "0").connect() as caller:
        caller.settimeout(0.5)
        with pytest.raises(TimeoutError):
            caller.recv(1)
        caller.settimeout(PATIENCE_S)
        caller.sendall(b"x")
        assert caller.recv(1) == b"x"


@pytest.mark.parametrize("model", ["iterative", "threaded"])
def test_print_shows_bytes_escaped(serve: Serve, model: str) -> None:
    """`--print` shows who sent what, with nothing that could move a terminal's cursor."""
    server = serve("echo", "--model", model, "--print")
    with server.connect() as caller:
        caller.sendall(b"hi\r\n\x1b[2J\xff\\")
        assert caller.recv(64) == b"hi\r\n\x1b[2J\xff\\"
        peer = "{}:{}".format(*caller.getsockname())
    wait_until(lambda: server.stderr.endswith("\n"), "the printed line")
    assert server.stderr == f"{peer} hi\\r\\n\\x1b[2J\\xff\\\\\n"


def test_descriptors_and_threads_return_to_their_baseline(serve: Serve, model: str) -> None:
    """Nothing of a caller is left behind."""
    server = serve("echo", "--model", model)
    with server.connect() as caller:
        caller.sendall(b"x")
        assert caller.recv(1) == b"x"
    server.connections(1)
    baseline = server.baseline()
    for _ in range(50):
        with server.connect() as caller:
            caller.sendall(b"x")
            assert caller.recv(1) == b"x"
    server.connections(51)
    server.returns_to(baseline)

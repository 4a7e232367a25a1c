"""Stopping under load, beside callers who never finish, and not at all; and what is logged."""

import random
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from children import running
from peer import Peer, repeat
from server_process import PYTHON, Serve, ServerProcess, environment, receive_all, wait_until

HERE = Path(__file__).parent
FLOOD, STALLING = str(HERE / "connect_flood.py"), str(HERE / "stalling.py")

KIB = 1 << 10
DATA = random.Random(7).randbytes(200 * KIB)
CLIENTS, CALLS = 50, 20


def exchange(server: ServerProcess) -> bytes | None:
    """What one caller gets back for `DATA`; None where nobody lets him in."""
    received = bytearray()
    refused = threading.Event()
    try:
        with server.connect() as caller:
            sender = threading.Thread(target=send, args=[caller, refused], daemon=True)
            sender.start()
            while data := caller.recv(1 << 16):
                received += data
            sender.join()
    except OSError:
        refused.set()
    return None if refused.is_set() and not received else bytes(received)


def send(caller: socket.socket, refused: threading.Event) -> None:
    """Send `DATA` and half-close. A reset is told once: to the sender, or to who receives."""
    try:
        caller.sendall(DATA)
        caller.shutdown(socket.SHUT_WR)
    except OSError:
        refused.set()


@pytest.mark.fault("SIGTERM under connect load")
@pytest.mark.usefixtures("own_network")
def test_no_answer_is_cut_by_a_stop_under_load(serve: Serve, model: str) -> None:
    """50 clients who call again and again while SIGTERM comes get their whole answer, or are
    refused before its first byte: never a part of it.
    """
    server = serve("echo", "--model", model)
    answers: list[bytes | None] = []

    def call() -> None:
        for _ in range(CALLS):
            answers.append(exchange(server))
            if answers[-1] is None:
                return

    clients = [threading.Thread(target=call) for _ in range(CLIENTS)]
    for each in clients:
        each.start()
    wait_until(lambda: len(answers) >= CLIENTS, "load")
    assert server.stop() == 0
    for each in clients:
        each.join()
    assert None in answers
    assert set(answers) == {DATA, None}
    assert server.lines[-1]["cut"] == 0


@pytest.mark.fault("a flood of connects at the stop")
@pytest.mark.parametrize("service", ["daytime", "echo"])
def test_a_connect_flood_cannot_hold_up_the_stop(
    serve: Serve, service: str, model: str, own_network: bool
) -> None:
    """While clients connect without a pause, SIGTERM ends the server in order."""
    connects = 60_000 if own_network else 2_000  # the host's connection tracker would fill up
    server = serve(service, "--model", model, "--drain-timeout", "5", admin=True)
    with ExitStack() as stack:
        for _ in range(4):
            flood = [sys.executable, FLOOD, str(server.port), str(connects), "30"]
            stack.enter_context(running(flood))
        wait_until(lambda: server.samples()["connections_total"] > 500, "the flood")
        assert server.stop() == 0
    assert server.events("stopped")


@pytest.mark.fault("SIGTERM beside clients that never read")
def test_callers_who_never_read_cannot_hold_up_the_stop(serve: Serve, model: str) -> None:
    """Beside three callers who do not read, SIGTERM ends the server at the drain deadline with
    status 0, and its last line tells how many it cut.
    """
    server = serve("echo", "--model", model, "--drain-timeout", "0.5", "--stall-timeout", "0")
    with ExitStack() as stack:
        for _ in range(3):
            caller = stack.enter_context(socket.socket())
            caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * KIB)
            caller.connect(("127.0.0.1", server.port))
            caller.sendall(DATA[: 100 * KIB])
        began = time.monotonic()
        assert server.stop() == 0
        assert 0.5 <= time.monotonic() - began < 5
    assert {line["ended"] for line in server.connections(3)} == {"drained"}
    assert (server.lines[-1]["event"], server.lines[-1]["cut"]) == ("stopped", 3)


@pytest.mark.fault("a stopped process (SIGSTOP)")
@pytest.mark.parametrize("service", ["daytime", "echo"])
def test_a_wedged_server_fails_its_check(serve: Serve, service: str) -> None:
    """The kernel goes on connecting callers to a process that has stopped; `--check` is a round
    trip, so it tells.
    """
    server = serve(service)
    check = [PYTHON, "-m", service, "--check", "--port", str(server.port)]
    assert subprocess.run(check, env=environment(), timeout=20, check=False).returncode == 0
    server.send(signal.SIGSTOP)
    server.connect().close()
    stopped = subprocess.run(
        check, env=environment(), timeout=20, check=False, capture_output=True, text=True
    )
    assert (stopped.returncode, stopped.stderr.count("\n")) == (1, 1)


@pytest.mark.fault("port checks every second")
def test_port_checks_leave_no_line(serve: Serve, model: str) -> None:
    """Callers who come and go without a byte are counted, but not logged unless debugging."""
    told = {}
    for level in ("info", "debug"):
        server = serve("echo", "--model", model, "--log-level", level, admin=True)
        for _ in range(100):
            server.connect().close()
        wait_until(lambda: 'ending="done"} 100\n' in server.metrics(), "100 endings")  # noqa: B023
        assert server.stop() == 0
        told[level] = len(server.events("connection"))
    assert told == {"info": 0, "debug": 100}


@pytest.mark.fault("port checks every second")
def test_who_left_before_the_answer_leaves_no_line(serve: Serve, model: str) -> None:
    """Callers of daytime who reset before they could be told the time are such port checks too."""
    server = serve("daytime", "--model", model, admin=True)
    server.send(signal.SIGSTOP)
    for _ in range(100):
        with server.connect() as caller:
            caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    server.send(signal.SIGCONT)
    wait_until(lambda: 'ending="reset"} 100\n' in server.metrics(), "100 endings")
    assert server.stop() == 0
    assert [line["event"] for line in server.lines] == ["ready", "stopped"]
    assert server.stderr == ""


@pytest.mark.fault("bytes that would forge a log line or an escape sequence")
@pytest.mark.parametrize("model", ["iterative", "threaded"])
def test_no_byte_can_forge_a_line(serve: Serve, model: str) -> None:
    """Whatever bytes come, `--print` shows one line of printable ASCII for them, which begins
    with who sent it, and the log shows none of them.
    """
    server = serve("echo", "--model", model, "--print", "--log-level", "debug")
    data = bytes(range(256)) + '\u202e\u2028\x9b2J{"level": "error"}'.encode()
    with server.connect() as caller:
        caller.sendall(data)
        caller.shutdown(socket.SHUT_WR)
        assert receive_all(caller) == data
        peer = "{}:{}".format(*caller.getsockname())
    assert server.stop() == 0
    assert [line["level"] for line in server.lines] == ["info"] * 3
    (shown,) = server.stderr.splitlines()
    assert shown.isascii()
    assert shown.isprintable()
    assert (
        shown.removeprefix(f"{peer} ").encode().decode("unicode_escape").encode("latin-1") == data
    )


@pytest.mark.fault("a stop that hangs beyond its drain timeout")
def test_a_hang_ends_with_the_drain(serve: Serve) -> None:
    """A loop that no longer turns cannot keep the process: some seconds after the deadline, 1."""
    server = serve("echo", "--drain-timeout", "0.1", program=STALLING, admin=True)
    with server.connect() as caller:
        caller.sendall(b"x")
        wait_until(lambda: "connections_total 1" in server.metrics(), "the caller to be met")
        assert server.stop() == 1


@pytest.mark.fault("a peer that drips at `--check`")
def test_a_check_has_one_deadline() -> None:
    """A peer that drips keeps `--check` no longer than one that is silent."""
    with Peer(repeat(b"x", 0.3)) as peer:
        began = time.monotonic()
        check = subprocess.run(
            [PYTHON, "-m", "daytime", "--check", "--host", "127.0.0.1", "--port", str(peer.port)],
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert time.monotonic() - began < 6
    assert check.returncode == 1
    assert check.stderr.endswith("timed out\n")


@pytest.mark.fault("a signal to `--check`")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_check_ends_at_a_signal(number: signal.Signals) -> None:
    """`--check` has nothing to finish: a signal ends it at once and in silence."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = str(silent.getsockname()[1])
        command = [PYTHON, "-m", "echo", "--check", "--host", "127.0.0.1", "--port", port]
        with running(command, env=environment(), stderr=subprocess.PIPE) as check:
            silent.settimeout(20)
            with silent.accept()[0]:
                check.send_signal(number)
                assert check.communicate(timeout=20)[1] == b""
    assert check.returncode == -number

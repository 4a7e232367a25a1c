"""Starting, draining and stopping, also under load and beside clients that never finish."""

import json
import os
import pty
import random
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

import pytest

from children import running
from peer import Peer, repeat
from server_process import (
    PATIENCE_S,
    PYTHON,
    Serve,
    ServerProcess,
    environment,
    free_port,
    is_sleeping,
    receive_all,
    refuses,
    signal_until_ended,
    talk,
    wait_until,
)

REQUESTS = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]

HERE = Path(__file__).parent
FLOOD, STALLING = str(HERE / "connect_flood.py"), str(HERE / "stalling.py")

KIB = 1 << 10
DATA = random.Random(7).randbytes(200 * KIB)
CLIENTS, CALLS = 50, 20


@pytest.mark.parametrize("number", REQUESTS)
@pytest.mark.parametrize("service", ["daytime", "echo"])
def test_a_signal_ends_an_idle_server(
    serve: Serve, model: str, service: str, number: signal.Signals
) -> None:
    """A signal ends an idle server in order: status 0, a last line, nothing on stderr."""
    server = serve(service, "--model", model)
    assert server.stop(number) == 0
    assert server.lines[-1]["event"] == "stopped"
    assert server.stderr == ""


def test_the_ready_line_names_the_bound_address(serve: Serve, model: str) -> None:
    """With port 0 the system chooses, and the ready line tells what."""
    ready = serve("echo", "--model", model, "--host", "127.0.0.1").ready
    assert ready["address"].startswith("127.0.0.1:")
    assert (ready["model"], ready["service"]) == (model, "echo")


@pytest.mark.parametrize(
    ("family", "reached", "refused"),
    [
        ("any", ["127.0.0.1", "::1"], []),
        ("4", ["127.0.0.1"], ["::1"]),
        ("6", ["::1"], ["127.0.0.1"]),
    ],
)
def test_the_family_is_a_setting(
    serve: Serve, family: str, reached: list[str], refused: list[str]
) -> None:
    """`any` is both families on one port, `4` and `6` are one each."""
    server = serve("daytime", "--family", family)
    for host in reached:
        with server.connect(host) as caller:
            assert receive_all(caller)
    for host in refused:
        with pytest.raises(ConnectionRefusedError):
            server.connect(host)


def test_an_ipv4_caller_of_a_dual_stack_server_is_logged_as_ipv4(serve: Serve) -> None:
    """A peer is named as it would name itself, not as an IPv4-mapped address."""
    server = serve("daytime")
    for host in ("127.0.0.1", "::1"):
        with server.connect(host) as caller:
            receive_all(caller)
    peers = [line["peer"].rpartition(":")[0] for line in server.connections(2)]
    assert peers == ["127.0.0.1", "[::1]"]


def test_an_open_connection_may_finish(serve: Serve, model: str) -> None:
    """After SIGTERM nobody new is let in, and who is being served is served to the end."""
    server = serve("echo", "--model", model)
    with server.connect() as caller:
        caller.sendall(b"before")
        assert caller.recv(16) == b"before"
        server.send()
        wait_until_stopping(server)
        assert server.is_at_rest()
        caller.sendall(b"after")
        assert caller.recv(16) == b"after"
    assert server.wait() == 0
    assert server.events("connection")[0]["ended"] == "done"


@pytest.mark.fault("connections that are open at the drain timeout")
def test_the_drain_deadline_cuts_who_does_not_finish(serve: Serve, model: str) -> None:
    """When the drain timeout is over the server ends all the same, with status 0."""
    server = serve("echo", "--model", model, "--drain-timeout", "0.5")
    with server.connect() as caller:
        caller.sendall(b"x")
        assert caller.recv(1) == b"x"
        began = time.monotonic()
        assert server.stop() == 0
        assert 0.5 <= time.monotonic() - began < 5
        assert caller.recv(1) == b""
    (line,) = server.events("connection")
    assert line["ended"] == "drained"


def test_a_busy_caller_cannot_outlast_the_drain(serve: Serve, model: str) -> None:
    """A caller who never pauses is cut at the drain deadline like one who is silent."""
    server = serve("echo", "--model", model, "--drain-timeout", "0.5")
    with server.connect() as caller:

        def talk() -> None:
            try:
                while caller.recv(1 << 16):
                    caller.sendall(b"x" * 1000)
            except OSError:
                pass

        caller.sendall(b"x" * 100_000)
        talker = threading.Thread(target=talk, daemon=True)
        talker.start()
        assert server.stop() == 0
        talker.join()
    assert server.events("connection")[0]["ended"] == "drained"


@pytest.mark.fault("a second signal at least 0.5 s after the first")
@pytest.mark.parametrize("number", REQUESTS)
def test_a_second_signal_ends_at_once(serve: Serve, model: str, number: signal.Signals) -> None:
    """A second signal ends a draining server with status 1."""
    server = serve("echo", "--model", model, "--drain-timeout", "60")
    with server.connect() as caller:
        talk(caller)
        server.send()
        wait_until_stopping(server)
        assert signal_until_ended(server, number) == 1
    assert not server.events("stopped")


@pytest.mark.fault("one request to stop that arrives as several signals")
@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("repeat", REQUESTS)
def test_signals_at_once_are_one(serve: Serve, workers: str, repeat: signal.Signals) -> None:
    """Signals that arrive with the first belong to it, and connections may finish."""
    server = serve("echo", "--workers", workers)
    with server.connect() as caller:
        talk(caller)
        server.send(signal.SIGSTOP)
        for number in (signal.SIGTERM, repeat):
            server.send(number)
        server.send(signal.SIGCONT)
        wait_until(lambda: refuses(server.port), "the closed listener")
        talk(caller)
    assert server.wait() == 0
    assert server.lines[-1]["event"] == "stopped"


@pytest.mark.fault("one request to stop that arrives as several signals")
def test_a_signal_soon_after_the_first_is_a_repeat(serve: Serve, concurrent_model: str) -> None:
    """A signal within 0.5 s of the first belongs to it, also after the drain has begun."""
    for _ in range(10):
        server = serve("echo", "--model", concurrent_model)
        with server.connect() as client:
            talk(client)
            began = time.monotonic()
            server.send()
            wait_until_stopping(server)
            server.send(signal.SIGINT)
            if time.monotonic() - began > 0.45:
                continue  # a busy machine was too slow for a repeat: try again
            talk(client)
        assert server.wait() == 0
        return
    pytest.fail("the machine is too slow to signal twice within 0.45 s")


@pytest.mark.fault("one request to stop that arrives as several signals")
def test_timeout_is_one_request(model: str) -> None:
    """GNU timeout passes its signal to the server and to their process group: one request."""
    flags = ["--model", model, "--admin-port", str(admin := free_port())]
    command = ["timeout", "60", PYTHON, "-m", "echo", "--port", "0", *flags]
    options = {"stdout": subprocess.PIPE, "text": True, "start_new_session": True}
    with running(command, env=environment(), **options) as timeout:
        assert timeout.stdout
        port = int(json.loads(timeout.stdout.readline())["address"].rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as client:
            talk(client)
            timeout.terminate()
            wait_until(lambda: get(admin, "/readyz").status == 503, "the stop")
            talk(client)
        lines = [json.loads(line) for line in timeout.stdout]
    assert [line["event"] for line in lines] == ["connection", "stopped"]


@pytest.mark.fault("a signal that was ignored at the start (nohup, a background job)")
@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT])
def test_an_ignored_signal_stays_ignored(
    serve: Serve, workers: str, number: signal.Signals
) -> None:
    """A signal that was ignored when the server started does not stop it."""

    def ignore() -> None:
        signal.signal(number, signal.SIG_IGN)

    server = serve("echo", "--workers", workers, before=ignore)
    with server.connect() as caller:
        talk(caller)
        server.send(number)
        wait_until(lambda: is_sleeping(server.process.pid), "the signal to be discarded")
        talk(caller)
        server.connect().close()
    assert server.stop() == 0


@pytest.mark.fault("Ctrl-C on a terminal beside open connections")
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_terminal_shows_what_a_stop_waits_for(workers: str) -> None:
    """On a terminal a stop prints how many connections are open and how long it waits."""
    ours, theirs = pty.openpty()
    flags = ["--workers", workers, "--drain-timeout", "7.5"]
    flags += ["--admin-port", str(admin := free_port())]
    command = [PYTHON, "-m", "echo", "--port", "0", *flags]
    with (
        os.fdopen(ours, "rb", buffering=0) as terminal,
        running(
            command, env=environment(), stdout=subprocess.PIPE, stderr=theirs, text=True
        ) as server,
    ):
        os.close(theirs)
        assert server.stdout
        port = int(json.loads(server.stdout.readline())["address"].rpartition(":")[2])
        with ExitStack() as stack:
            for _ in range(3):
                talk(stack.enter_context(socket.create_connection(("127.0.0.1", port))))
            wait_until(lambda: b"_active 3\n" in get(admin, "/metrics").read(), "the counters")
            server.send_signal(signal.SIGINT)
            shown = terminal.readline().decode()
        assert server.wait(PATIENCE_S) == 0
    assert "connections: 3;" in shown
    assert "7.5 s" in shown


@pytest.mark.fault("orphans that the server is given as process 1")
def test_orphans_are_reaped(serve: Serve, model: str) -> None:
    """A child that the server did not start leaves no zombie, as process 1 is given orphans."""
    reader, writer = os.pipe()

    def fork() -> None:
        if not os.fork():
            os.dup2(reader, 0)
            os.closerange(1, 1024)  # among them what tells Popen of the exec
            os.read(0, 1)
            os._exit(0)

    server = serve("echo", "--model", model, before=fork)
    assert len(server.children()) == 1
    os.close(writer)
    os.close(reader)
    wait_until(lambda: not server.children(), "the child to be collected")
    assert server.stop() == 0


@pytest.mark.fault("connections in the backlog at the stop")
@pytest.mark.usefixtures("own_network")
def test_whoever_is_queued_is_served(serve: Serve, model: str) -> None:
    """The listener is emptied before it closes: a caller in the backlog gets a whole answer."""
    server = serve("daytime", "--model", model)
    server.send(signal.SIGSTOP)
    # More than are accepted before the stop is noticed.
    callers = [server.connect() for _ in range(500)]
    for caller in callers:
        caller.shutdown(socket.SHUT_WR)
    server.send(signal.SIGTERM)
    server.send(signal.SIGCONT)
    for caller in callers:
        assert receive_all(caller).endswith(b"\r\n")
        caller.close()
    assert server.wait() == 0
    assert len(server.events("connection")) == 500


def test_whoever_waits_at_the_cap_is_served(serve: Serve, model: str) -> None:
    """At the cap callers wait in the backlog, and a stop does not turn them away."""
    server = serve("echo", "--model", model, "--max-connections", "1")
    with server.connect() as first, server.connect() as second:
        first.sendall(b"1")
        assert first.recv(1) == b"1"
        second.sendall(b"2")
        server.send()
        wait_until_stopping(server)
        first.close()
        assert second.recv(1) == b"2"
    assert server.wait() == 0


def test_a_restart_finds_its_port_free(serve: Serve, model: str) -> None:
    """Daytime closes first, and the connections that linger in the system do not hold the port."""
    port = str(free_port())
    for _ in range(3):
        server = serve("daytime", "--model", model, "--port", port)
        with server.connect() as caller:
            assert receive_all(caller)
        assert server.stop() == 0


@pytest.mark.fault("SIGTERM before the server is ready")
@pytest.mark.parametrize("delay", [0.0, 0.02, 0.05, 0.1, 0.2])
def test_a_signal_while_starting_is_not_lost(delay: float) -> None:
    """SIGTERM at any moment of the start ends the server: by the handler or by the default."""
    command = [PYTHON, "-m", "echo", "--port", "0"]
    with running(command, env=environment(), stdout=subprocess.DEVNULL) as process:
        time.sleep(delay)
        process.terminate()
        assert process.wait(PATIENCE_S) in (0, -signal.SIGTERM)


def get(port: int, path: str) -> HTTPResponse:
    """Get a page of an admin port."""
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    connection.request("GET", path)
    return connection.getresponse()


def wait_until_stopping(server: ServerProcess) -> None:
    """Wait until the server has taken notice of its first signal."""
    status = Path(f"/proc/{server.process.pid}/status")

    def noticed() -> bool:
        return "ShdPnd:\t0000000000000000" in status.read_text()

    wait_until(noticed, "the signal to be delivered")
    if server.ready["model"] != "iterative":  # which closes its listener after this caller
        wait_until(lambda: refuses(server.port), "the closed listener")


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
@pytest.mark.parametrize("is_blocked", [False, True], ids=["", "SIGALRM is blocked"])
def test_a_check_has_one_deadline(is_blocked: bool) -> None:
    """A peer that drips keeps `--check` no longer than one that is silent."""

    def block() -> None:
        if is_blocked:
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})

    with Peer(repeat(b"x", 0.3)) as peer:
        began = time.monotonic()
        check = subprocess.run(
            [PYTHON, "-m", "daytime", "--check", "--host", "127.0.0.1", "--port", str(peer.port)],
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
            preexec_fn=block,
            timeout=PATIENCE_S,
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

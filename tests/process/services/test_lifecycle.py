"""Starting, draining and stopping, the same for every model."""

import json
import os
import pty
import signal
import socket
import subprocess
import threading
import time
from contextlib import ExitStack
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

import pytest

from children import running
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

"""The admin port of a real server: probes, metrics, drain."""

import re
import socket
import subprocess
from pathlib import Path

import pytest

from server_process import (
    PYTHON,
    Serve,
    ServerProcess,
    environment,
    receive_all,
    receive_exactly,
    wait_until,
)

STALLING = str(Path(__file__).parent / "stalling.py")


def metric(server: ServerProcess, name: str) -> int:
    """The value of a sample."""
    found = re.search(rf"^small_services_{re.escape(name)} (\d+)$", server.metrics(), re.MULTILINE)
    assert found, name
    return int(found[1])


def test_a_server_is_alive_and_ready(serve: Serve, model: str) -> None:
    """Once the ready line is out, both probes say so."""
    server = serve("echo", "--model", model, admin=True)
    assert server.ask_admin("/livez")[0] == 200
    assert server.ask_admin("/readyz")[0] == 200


def test_metrics_have_the_content_type_of_prometheus(serve: Serve) -> None:
    """Exposition format 0.0.4 names its version and its charset."""
    with serve("echo", admin=True).connect_admin() as asking:
        asking.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        head = receive_all(asking).partition(b"\r\n\r\n")[0]
    assert b"Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n" in head + b"\r\n"


def test_metrics_equal_what_was_sent(serve: Serve, model: str) -> None:
    """Bytes are counted while a connection is open and stay when it has ended; so do endings."""
    server = serve("echo", "--model", model, admin=True)
    for number in range(3):
        with server.connect() as caller:
            caller.sendall(b"x" * 1000)
            assert receive_exactly(caller, 1000)
            wait_until(lambda: metric(server, "connections_active") == 1, "the open connection")
            expected = 1000 * (number + 1)
            wait_until(
                lambda: metric(server, 'sent_bytes_total{transport="tcp"}') == expected,  # noqa: B023
                "the bytes",
            )
            assert metric(server, 'received_bytes_total{transport="tcp"}') == expected
        server.connections(number + 1)
    assert metric(server, "connections_total") == 3
    assert metric(server, "connections_active") == 0
    assert metric(server, 'connection_endings_total{ending="done"}') == 3
    assert metric(server, 'received_bytes_total{transport="tcp"}') == 3000


def test_a_held_acceptor_is_alive(serve: Serve) -> None:
    """A caller may rightly hold an iterative server: that is no reason to end it."""
    server = serve("echo", "--model", "iterative", admin=True)
    with server.connect() as caller:
        caller.sendall(b"x")
        assert caller.recv(1) == b"x"
        assert server.ask_admin("/livez")[0] == 200


@pytest.mark.fault("an event loop stuck in one callback")
def test_a_stalled_loop_is_not_alive() -> None:
    """A loop that is stuck in a turn turns /livez and /readyz to 503."""
    with (
        ServerProcess("echo", admin=True, program=STALLING) as server,
        server.connect() as caller,
    ):
        caller.sendall(b"stall")
        wait_until(lambda: server.ask_admin("/livez")[0] == 503, "the report")
        assert server.ask_admin("/readyz")[0] == 503


def test_not_ready_from_the_first_signal_on(serve: Serve, model: str) -> None:
    """With a drain delay the server goes on accepting while /readyz says 503, then drains."""
    server = serve("daytime", "--model", model, "--drain-delay", "1", admin=True)
    server.send()
    wait_until(lambda: server.ask_admin("/readyz")[0] == 503, "not ready")
    assert server.ask_admin("/livez")[0] == 200
    with server.connect() as caller:
        assert receive_all(caller)
    assert server.wait() == 0
    assert len(server.events("connection")) == 1


def test_the_admin_port_outlasts_the_drain(serve: Serve, concurrent_model: str) -> None:
    """While the last caller is served, the admin port answers, though nobody new is accepted."""
    server = serve("echo", "--model", concurrent_model, admin=True)
    with server.connect() as caller:
        caller.sendall(b"x")
        assert caller.recv(1) == b"x"
        server.send()
        wait_until(lambda: server.ask_admin("/readyz")[0] == 503, "not ready")
        assert metric(server, "connections_active") == 1
        caller.sendall(b"y")
        assert caller.recv(1) == b"y"
    assert server.wait() == 0


def test_check_asks_the_admin_port(serve: Serve) -> None:
    """`--check` asks the admin port where there is one, and leaves no connection line."""
    server = serve("echo", admin=True)
    check = [PYTHON, "-m", "echo", "--check", "--admin-port", str(server.admin_port)]
    assert subprocess.run(check, env=environment(), timeout=20, check=False).returncode == 0
    assert server.stop() == 0
    assert [line["event"] for line in server.lines] == ["ready", "stopped"]


def test_the_identity_ends_the_line(serve: Serve) -> None:
    """D5: with an identity daytime says who tells the time; echo has no such setting."""
    server = serve("daytime", "--identity", "web-1", "--format", "iso", "--udp")
    with server.connect() as caller:
        assert re.fullmatch(rb"[\d-]{10}T[\d:]{8}\+00:00 web-1\r\n", receive_all(caller))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(20)
        asking.sendto(b"", ("127.0.0.1", server.port))
        assert asking.recv(1024).endswith(b" web-1\r\n")


def test_an_admin_port_leaves_the_loop_at_rest(serve: Serve, model: str) -> None:
    """Neither the admin port nor UDP costs an idle server anything."""
    assert serve("echo", "--model", model, "--udp", admin=True).is_at_rest()

"""Many workers behind one port: how callers are spread, what is counted, how they stop."""

import os
import select
import signal
import socket
import subprocess
import threading
import time
from collections import Counter
from contextlib import ExitStack, suppress

import pytest

from children import running
from server_process import (
    PYTHON,
    Serve,
    ServerProcess,
    environment,
    free_port,
    is_running,
    receive_all,
    refuses,
    talk,
    wait_until,
)

# So many that chance alone gives no worker less than a third of them: with 64 it would, once in a
# hundred runs.
CALLERS = 256


def sender(server: ServerProcess) -> socket.socket:
    """A UDP socket that asks the server."""
    asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    asking.settimeout(20)
    asking.connect(("127.0.0.1", server.port))
    return asking


def readable(sockets: list[socket.socket]) -> int:
    """On how many of the sockets something has come."""
    return len(select.select(sockets, [], [], 0)[0])


@pytest.mark.fault("many long connections, many senders of datagrams")
def test_two_workers_share_the_callers(serve: Serve) -> None:
    """Of many long connections each of two workers has between a third and two thirds; when they
    have ended, each has the descriptors of before.
    """
    server = serve("echo", "--workers", "2")
    for _ in range(20):  # so that both have opened all that they need to serve
        with server.connect() as caller:
            talk(caller)
    server.connections(20)
    before = {pid: server.descriptors(pid) for pid in server.workers()}
    with ExitStack() as stack:
        for _ in range(CALLERS):
            talk(stack.enter_context(server.connect()))
        shares = {pid: server.descriptors(pid) - before[pid] for pid in before}
        assert sum(shares.values()) == CALLERS
        assert all(CALLERS / 3 <= share <= CALLERS * 2 / 3 for share in shares.values())
    wait_until(lambda: {pid: server.descriptors(pid) for pid in before} == before, "the baseline")
    assert server.workers() == list(before)


@pytest.mark.parametrize("service", ["daytime", "echo"])
def test_workers_end_with_their_server(serve: Serve, service: str) -> None:
    """SIGTERM ends all processes of an idle server: status 0, one first and one last line, and
    nothing on stderr.
    """
    server = serve(service, "--workers", "3", "--udp", admin=True)
    children = wait_until(lambda: len(pids := server.children()) == 4 and pids, "all processes")
    with server.connect() as caller:
        caller.shutdown(socket.SHUT_WR)
        receive_all(caller)
    assert server.stop() == 0
    assert not any(map(is_running, children))
    assert Counter(line["event"] for line in server.lines if line["event"] != "connection") == {
        "ready": 1,
        "stopped": 1,
    }
    assert server.ready["workers"] == 3
    assert server.stderr == ""


def test_ready_is_the_first_line(serve: Serve) -> None:
    """Callers who come before the last of many workers is there leave their lines after it."""
    port, over = free_port(), threading.Event()

    def call() -> None:
        while not over.is_set():
            with suppress(OSError), socket.create_connection(("127.0.0.1", port)) as caller:
                talk(caller)

    early = threading.Thread(target=call)
    early.start()
    try:
        server = serve("echo", "--workers", "32", "--port", str(port))
        server.connections(1)
    finally:
        over.set()
        early.join()
    assert server.lines[0]["event"] == "ready"


def test_one_worker_is_no_further_process(serve: Serve) -> None:
    """By default a server is one process, whatever else it serves."""
    server = serve("echo", "--udp", admin=True)
    assert server.children() == []
    assert "workers" not in server.ready


def test_idle_workers_are_at_rest(serve: Serve) -> None:
    """Neither the supervisor nor a worker costs an idle server anything."""
    server = serve("echo", "--workers", "2", "--udp", admin=True)
    pids = [server.process.pid, *server.workers()]

    def seconds() -> float:
        return sum(server.cpu_seconds(pid) for pid in pids)

    def are_at_rest() -> bool:
        before = seconds()
        time.sleep(0.5)
        return seconds() - before <= 0.05

    wait_until(are_at_rest, "all to be at rest, once they have started")


def test_all_workers_drain(serve: Serve) -> None:
    """After SIGTERM nobody new is let in, and callers of all workers are served to the end."""
    server = serve("echo", "--workers", "2", admin=True)
    with ExitStack() as stack:
        callers = [stack.enter_context(server.connect()) for _ in range(16)]
        for caller in callers:
            talk(caller)
        server.send()
        wait_until(lambda: refuses(server.port), "the closed listeners")
        assert server.ask_admin("/readyz")[0] == 503
        assert server.ask_admin("/livez")[0] == 200
        for caller in callers:
            talk(caller)
    assert server.wait() == 0
    assert server.lines[-1]["cut"] == 0
    assert Counter(line["ended"] for line in server.events("connection")) == {"done": 16}


def test_who_is_cut_is_summed(serve: Serve) -> None:
    """The last line tells how many were cut at the drain deadline, by all workers together."""
    server = serve("echo", "--workers", "2", "--drain-timeout", "0.3")
    with ExitStack() as stack:
        for _ in range(16):
            talk(stack.enter_context(server.connect()))
        assert server.stop() == 0
    assert server.lines[-1]["cut"] == 16
    assert Counter(line["ended"] for line in server.events("connection")) == {"drained": 16}


def test_workers_go_on_during_the_drain_delay(serve: Serve) -> None:
    """With a drain delay all go on accepting while /readyz says 503; then the server ends."""
    server = serve("daytime", "--workers", "2", "--drain-delay", "1", admin=True)
    server.send()
    wait_until(lambda: server.ask_admin("/readyz")[0] == 503, "not ready")
    for _ in range(16):
        with server.connect() as caller:
            assert receive_all(caller)
    assert server.wait() == 0


def test_a_server_with_workers_finds_its_port_free(serve: Serve) -> None:
    """Daytime closes first, and what lingers of that does not hold the port of all workers."""
    port = str(free_port())
    for _ in range(3):
        server = serve("daytime", "--workers", "2", "--udp", "--port", port)
        for _ in range(8):
            with server.connect() as caller:
                assert receive_all(caller)
        assert server.stop() == 0


def test_metrics_are_those_of_all_workers(serve: Serve) -> None:
    """The sums tell what was sent to all workers together, while connections are open too."""
    server = serve("echo", "--workers", "3", "--udp", admin=True)
    with ExitStack() as stack:
        for number in range(1, 31):
            talk(stack.enter_context(server.connect()), b"x" * number)
        for number in range(1, 11):
            asking = stack.enter_context(sender(server))
            asking.send(b"y" * number)
            assert asking.recv(64) == b"y" * number
        expected = {
            "connections_total": 30,
            "connections_active": 30,
            'received_bytes_total{transport="tcp"}': 465,
            'sent_bytes_total{transport="tcp"}': 465,
            "datagrams_received_total": 10,
            "datagrams_sent_total": 10,
            'received_bytes_total{transport="udp"}': 55,
            'sent_bytes_total{transport="udp"}': 55,
        }
        wait_until(lambda: expected.items() <= server.samples().items(), "the sums")
    ended = {"connections_active": 0, 'connection_endings_total{ending="done"}': 30}
    wait_until(lambda: ended.items() <= server.samples().items(), "the endings")


@pytest.mark.fault("many long connections, many senders of datagrams")
def test_two_workers_share_the_datagrams(serve: Serve) -> None:
    """E5: while one of two workers is stopped, the other answers at least a third of many senders;
    and those of the stopped one are answered when it goes on. All datagrams are as they were.
    """
    server = serve("echo", "--workers", "2", "--udp", "--udp-rate", "0", admin=True)
    with ExitStack() as stack:
        senders = [stack.enter_context(sender(server)) for _ in range(CALLERS)]
        for pid in server.workers():
            os.kill(pid, signal.SIGSTOP)
            for number, each in enumerate(senders):
                each.send(b"%d" % number)
            wait_until(lambda: readable(senders) >= CALLERS / 3, "the share of the other")
            os.kill(pid, signal.SIGCONT)
            for number, each in enumerate(senders):
                assert each.recv(16) == b"%d" % number
    wait_until(lambda: server.samples()["datagrams_sent_total"] == 2 * CALLERS, "the sum")


@pytest.mark.fault("a second server on the port, with or without workers")
@pytest.mark.parametrize("flags", [[], ["--workers", "2"]], ids=["alone", "workers"])
@pytest.mark.parametrize("others", [[], ["--workers", "2"]], ids=["alone", "workers"])
@pytest.mark.parametrize("family", ["any", "4", "6"])
def test_a_port_has_one_server(
    serve: Serve, family: str, flags: list[str], others: list[str]
) -> None:
    """Who comes second to a port is told that it is taken, and does not join, whether one of the
    two has workers, both, or none.
    """
    first = serve("echo", "--udp", "--family", family, *flags)
    command = [PYTHON, "-m", "echo", "--udp", "--family", family, "--port", str(first.port)]
    second = subprocess.run(
        [*command, *others],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    taken = f"echo: --port {first.port}: address already in use\n"
    assert (second.returncode, second.stderr) == (1, taken)


@pytest.mark.fault("a second server on the port, with or without workers")
@pytest.mark.parametrize("flags", [[], ["--workers", "2"]], ids=["alone", "workers"])
def test_a_udp_port_has_one_server(flags: list[str]) -> None:
    """The same where only the UDP side of the port is taken, by whom that would let others in."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        port = free_port()
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        taken.bind(("127.0.0.1", port))
        second = subprocess.run(
            [PYTHON, "-m", "echo", "--udp", "--host", "127.0.0.1", "--port", str(port), *flags],
            env=environment(),
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
    message = f"echo: --port {port}: address already in use (UDP)\n"
    assert (second.returncode, second.stderr) == (1, message)


@pytest.mark.fault("more clients than the connection limit of all workers")
def test_the_cap_is_shared_out(serve: Serve) -> None:
    """Each worker takes its part of the connection cap, rounded up: two of three, and no more."""
    server = serve("echo", "--workers", "2", "--max-connections", "3", admin=True)
    assert server.ready["max_connections"] == 4
    with ExitStack() as stack:
        for _ in range(32):
            stack.enter_context(server.connect())
        wait_until(lambda: server.samples()["connections_active"] == 4, "the cap")
        assert server.is_at_rest()
        assert server.samples()["connections_active"] == 4
    wait_until(lambda: server.samples()["connections_total"] == 32, "all callers")


@pytest.mark.parametrize("delay", [0.0, 0.02, 0.05, 0.1, 0.2])
def test_a_signal_while_workers_start_is_not_lost(delay: float) -> None:
    """SIGTERM at any moment of the start ends all processes, of which none is left."""
    command = [PYTHON, "-m", "echo", "--port", "0", "--workers", "4"]
    with running(command, env=environment(), stdout=subprocess.PIPE) as process:
        time.sleep(delay)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)  # to the end of a pipe that each of them has open
    assert process.returncode in (0, -signal.SIGTERM)

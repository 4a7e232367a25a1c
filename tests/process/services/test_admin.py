"""The admin port: pages, liveness, floods and a lack of descriptors."""

import re
import resource
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from server_process import (
    PYTHON,
    Serve,
    ServerProcess,
    environment,
    receive_all,
    receive_exactly,
    talk,
    wait_until,
)

STALLING = str(Path(__file__).parent / "stalling.py")

MIB = 1 << 20
METRICS = b"GET /metrics HTTP/1.0\r\n\r\n"

# Clients that the admin port serves at once: one in 16 of the descriptors.
PLACES = 16

# Of each flood, and how many of its connections are kept open.
FLOODERS, CONNECTIONS, KEPT = 2, 400, 150

# Longer than the timeout of a kubelet's probe only for the sake of a busy machine.
PROBE_S = 5.0


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


def few_descriptors() -> None:
    """Give the process that is about to start 256 descriptors."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))


def statuses(server: ServerProcess) -> list[int]:
    """The statuses of the three pages, each of which came in time."""
    found = []
    for page in ("/livez", "/readyz", "/metrics"):
        began = time.monotonic()
        found.append(server.ask_admin(page)[0])
        assert time.monotonic() - began < PROBE_S
    return found


@contextmanager
def flood(server: ServerProcess, data: bytes) -> Iterator[list[threading.Thread]]:
    """Clients that connect again and again, send the data, and read nothing."""

    def connect() -> None:
        kept: list[socket.socket] = []
        for _ in range(CONNECTIONS):
            kept.append(server.connect_admin())
            with suppress(OSError):  # the server has closed it
                kept[-1].sendall(data)
            if len(kept) > KEPT:
                kept.pop(0).close()
        for each in kept:
            each.close()

    threads = [threading.Thread(target=connect) for _ in range(FLOODERS)]
    for each in threads:
        each.start()
    try:
        yield threads
    finally:
        for each in threads:
            each.join()


@pytest.mark.fault("a flood of the admin port")
@pytest.mark.parametrize(
    "data",
    [b"", b"GET /livez HT", METRICS, METRICS + bytes(MIB)],
    ids=["silent", "half", "whole", "endless"],
)
def test_a_flood_of_the_admin_port_delays_no_probe(serve: Serve, model: str, data: bytes) -> None:
    """During a flood each page is answered, with no more descriptors and threads than before."""
    server = serve("echo", "--model", model, admin=True)
    with server.connect() as caller:
        talk(caller)
        descriptors, threads = server.descriptors(), server.threads()
        with flood(server, data) as flooders:
            rounds = 0
            while any(each.is_alive() for each in flooders) or rounds < 3:
                assert statuses(server) == [200, 200, 200]
                assert server.descriptors() <= descriptors + 1  # one may be amid its accept
                assert server.threads() == threads
                talk(caller)
                rounds += 1


@pytest.mark.fault("more silent clients of the admin port than its limit")
def test_silent_clients_make_room(serve: Serve) -> None:
    """Silent clients, twice as many as the admin port serves at once, are closed in 5 s at most,
    and need no further descriptors meanwhile.
    """
    server = serve("echo", admin=True, before=few_descriptors)
    with server.connect() as caller:
        talk(caller)  # so all that the server opens for itself is open
        before = server.descriptors() - 1
    with ExitStack() as stack:
        silent = [stack.enter_context(server.connect_admin()) for _ in range(2 * PLACES)]
        for each in silent:
            each.sendall(b"GET / HT")
        for _ in range(20):
            assert statuses(server) == [200, 200, 200]
        assert server.descriptors() <= before + 1
        for each in silent:
            with suppress(ConnectionResetError):  # closed before its half of a head was read
                assert each.recv(1) == b""


@pytest.mark.fault("a slow client of the admin port beside later ones")
def test_a_slow_client_survives_later_ones(serve: Serve) -> None:
    """A client whose request comes in two parts is answered, though others connect meanwhile and
    take all places beside it.
    """
    server = serve("echo", admin=True, before=few_descriptors)
    with ExitStack() as stack:
        slow = stack.enter_context(server.connect_admin())
        slow.sendall(b"GET /livez HTTP/1.0\r\n")
        for _ in range(PLACES - 2):
            stack.enter_context(server.connect_admin())
        assert server.ask_admin("/livez")[0] == 200  # so all before it have been accepted
        slow.sendall(b"\r\n")
        assert receive_all(slow).startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.fault("a client of the admin port that sends without end")
def test_a_client_that_sends_without_end_is_closed(serve: Serve) -> None:
    """A client that goes on sending after its request is closed before it has sent 64 MiB."""
    with serve("echo", admin=True).connect_admin() as client:
        client.sendall(METRICS)
        with pytest.raises(OSError):  # noqa: PT011, for the reset comes as one of two errors
            client.sendall(bytes(64 * MIB))


@pytest.mark.fault("no descriptor left, and the admin port")
def test_without_descriptors_the_pages_are_answered(serve: Serve, model: str) -> None:
    """When the service has used up all descriptors that the process may have, and connections wait
    for more, the admin port answers; the connections are served when there are descriptors again.
    """
    server = serve("echo", "--model", model, "--udp", admin=True)
    with server.connect() as caller:
        talk(caller)
    server.connections(1)
    pid = server.process.pid
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (server.descriptors(), 20_000))
    with server.connect() as waiting:
        wait_until(lambda: server.events("accept failed"), "the limit")
        for _ in range(50):
            assert statuses(server) == [200, 200, 200]
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (1024, 20_000))
        talk(waiting)
    assert server.stop() == 0


@pytest.mark.fault("as many connections as descriptors allow, and a flood of the admin port")
def test_a_flood_takes_no_descriptor_of_the_service(serve: Serve, concurrent_model: str) -> None:
    """With an admin port the connection cap leaves it its descriptors: neither a full server nor a
    full admin port keeps the other from accepting.
    """
    flags = ("--model", concurrent_model, "--udp")
    server = serve("echo", *flags, admin=True, before=few_descriptors)
    cap = server.ready["max_connections"]
    assert cap == 256 - 32 - PLACES
    with ExitStack() as stack:
        for _ in range(2 * PLACES):
            stack.enter_context(server.connect_admin())
        callers = [stack.enter_context(server.connect()) for _ in range(cap + PLACES)]
        for caller in callers[:cap]:
            talk(caller)
        assert statuses(server) == [200, 200, 200]
    assert server.events("accept failed") == []
    assert server.stop() == 0


@pytest.mark.fault("no descriptor left in the process of the admin port")
def test_without_descriptors_the_admin_process_answers(serve: Serve) -> None:
    """With workers the admin port is a process of its own, which needs no further descriptor."""
    server = serve("echo", "--workers", "2", admin=True)
    assert statuses(server) == [200, 200, 200]
    (admin,) = set(server.children()) - set(server.workers())
    resource.prlimit(admin, resource.RLIMIT_NOFILE, (server.descriptors(admin), 20_000))
    for _ in range(50):
        assert statuses(server) == [200, 200, 200]


@pytest.mark.fault("no further thread, and the admin port (`threaded`)")
def test_without_threads_the_pages_are_answered(serve: Serve) -> None:
    """When the system gives no further thread, the admin port answers: it has one already."""
    server = serve("echo", "--model", "threaded", admin=True)
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    size = int(status.split("VmSize:")[1].split()[0]) * 1024
    # Room for what is small, but not for the stack of a thread.
    resource.prlimit(server.process.pid, resource.RLIMIT_AS, (size + 2 * MIB, -1))
    with server.connect() as waiting:
        wait_until(lambda: server.events("thread not started"), "the limit")
        for _ in range(50):
            assert statuses(server) == [200, 200, 200]
        resource.prlimit(server.process.pid, resource.RLIMIT_AS, (-1, -1))
        talk(waiting)
    assert server.stop() == 0

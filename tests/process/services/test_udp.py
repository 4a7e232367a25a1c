"""Echo and daytime over UDP, the same beside every model."""

import re
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from server_process import Serve, ServerProcess, wait_until

LINE = re.compile(rb"[A-Z][a-z]{2} [A-Z][a-z]{2} [ 123]\d [\d:]{8} UTC \d{4}\r\n")
LARGEST = 65_507


@contextmanager
def sender(
    server: ServerProcess, host: str = "127.0.0.1", source: tuple[str, int] | None = None
) -> Iterator[socket.socket]:
    """A UDP socket that hears only what comes from the address that it asks."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as asking:
        asking.settimeout(20)
        if source:
            try:
                asking.bind(source)
            except PermissionError:
                pytest.skip("ports below 1024 are not everybody's")
        asking.connect((host, server.port))
        yield asking


def drops(server: ServerProcess) -> dict[str, int]:
    """What the server has dropped, by reason."""
    found = re.findall(r'datagrams_dropped_total\{reason="(\w+)"\} (\d+)', server.metrics())
    return {reason: int(count) for reason, count in found if count != "0"}


@pytest.mark.parametrize("size", [0, 1, 512, 8193, LARGEST])
def test_echo_returns_a_datagram(serve: Serve, model: str, size: int) -> None:
    """E5: one datagram in, the same datagram out, the empty and the largest included."""
    data = bytes(range(256)) * 256
    with sender(serve("echo", "--udp", "--model", model)) as asking:
        asking.send(data[:size])
        assert asking.recv(LARGEST + 1) == data[:size]


@pytest.mark.parametrize("data", [b"", b"\n", b"x" * LARGEST])
def test_daytime_answers_any_datagram(serve: Serve, model: str, data: bytes) -> None:
    """D3: any datagram, whatever is in it, gets one datagram with the time."""
    with sender(serve("daytime", "--udp", "--model", model)) as asking:
        asking.send(data)
        assert LINE.fullmatch(asking.recv(1024))


@pytest.mark.fault("a host with more than one address")
@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1"])
def test_the_answer_comes_from_the_address_that_was_asked(serve: Serve, host: str) -> None:
    """E6: of many addresses, the one that was asked answers: a connected socket hears it."""
    with sender(serve("echo", "--udp"), host) as asking:
        asking.send(b"x")
        assert asking.recv(16) == b"x"


@pytest.mark.fault("forged source ports of other services")
@pytest.mark.parametrize("port", [7, 1023, 1200, 1201])
def test_refused_source_ports_hear_nothing(serve: Serve, port: int) -> None:
    """S1: who may be a service itself is not answered, and the drop is counted."""
    server = serve("echo", "--udp", admin=True)
    with sender(server, source=("127.0.0.9", port)) as asking:
        asking.send(b"x")
        wait_until(lambda: drops(server) == {"source_port": 1}, "the counted drop")
    with sender(server) as asking:
        asking.send(b"y")
        assert asking.recv(16) == b"y"


@pytest.mark.fault("forged source ports of other services")
def test_the_bound_port_hears_nothing(serve: Serve) -> None:
    """S1: a datagram that claims to be from our own port is not answered."""
    server = serve("echo", "--udp", "--host", "127.0.0.1", admin=True)
    with sender(server, source=("127.0.0.9", server.port)) as asking:
        asking.send(b"x")
        wait_until(lambda: drops(server) == {"source_port": 1}, "the counted drop")


@pytest.mark.fault("forged source ports of other services")
def test_two_services_do_not_talk_for_ever(serve: Serve) -> None:
    """S1: a forged datagram from daytime's port to echo's dies there, both ways."""
    echo = serve("echo", "--udp", "--host", "127.0.0.1", admin=True)
    with sender(echo, source=("127.0.0.2", 1200)) as forged:
        forged.send(b"x")
        wait_until(lambda: drops(echo) == {"source_port": 1}, "the counted drop")
    assert 'sent_bytes_total{transport="udp"} 0' in echo.metrics()


def test_the_rate_is_a_setting(serve: Serve, model: str) -> None:
    """S1: beyond its rate a source is not answered, and the drops are counted."""
    server = serve("echo", "--udp", "--udp-rate", "5", "--model", model, admin=True)
    with sender(server) as asking:
        began = time.monotonic()
        for number in range(25):
            asking.send(b"%d" % number)
        for number in range(5):
            assert asking.recv(16) == b"%d" % number
        wait_until(lambda: "datagrams_received_total 25" in server.metrics(), "all datagrams")
        later = 5 * (time.monotonic() - began)
    wait_until(lambda: 20 - later <= drops(server).get("rate", 0) <= 20, "the counted drops")


@pytest.mark.fault("clients that left before the answer")
def test_callers_who_left_disturb_nobody(serve: Serve, model: str) -> None:
    """An ICMP error for an answer that nobody waits for does not keep the next from its own."""
    server = serve("echo", "--udp", "--model", model)
    with sender(server) as asking:
        # Its port was taken before the others', so that no answer to one of them can come to it.
        for _ in range(200):
            with sender(server) as gone:
                gone.send(b"x")
        asking.send(b"y")
        assert asking.recv(16) == b"y"
    assert server.stop() == 0
    assert server.stderr == ""


def test_queued_datagrams_are_answered_at_the_stop(serve: Serve, model: str) -> None:
    """What is in the queue when the stop is asked for is answered before the process ends."""
    server = serve("echo", "--udp", "--model", model)
    with sender(server) as asking:
        server.send(signal.SIGSTOP)
        for number in range(100):
            asking.send(b"%d" % number)
        server.send(signal.SIGTERM)
        server.send(signal.SIGCONT)
        for number in range(100):
            assert asking.recv(16) == b"%d" % number
    assert server.wait() == 0


def test_tcp_and_udp_have_the_same_port(serve: Serve, model: str) -> None:
    """With port 0 the system's choice holds for both, and TCP is served beside UDP."""
    server = serve("echo", "--udp", "--model", model)
    with server.connect() as caller, sender(server) as asking:
        caller.sendall(b"tcp")
        assert caller.recv(16) == b"tcp"
        asking.send(b"udp")
        assert asking.recv(16) == b"udp"


def test_without_udp_nobody_listens(serve: Serve) -> None:
    """UDP is off unless it is asked for."""
    with sender(serve("echo")) as asking:
        asking.send(b"x")
        with pytest.raises(ConnectionRefusedError):
            asking.recv(16)


def test_metrics_equal_what_was_sent(serve: Serve, model: str) -> None:
    """Every datagram and every byte is counted, each way."""
    server = serve("echo", "--udp", "--model", model, admin=True)
    with sender(server) as asking:
        for size in (0, 1, 1000, LARGEST):
            asking.send(b"x" * size)
            assert len(asking.recv(LARGEST)) == size
    # An answer is counted once it is sent, so it may be here before its number is there.
    wait_until(lambda: "datagrams_sent_total 4\n" in server.metrics(), "all answers")
    text = server.metrics()
    assert "datagrams_received_total 4\n" in text
    assert f'received_bytes_total{{transport="udp"}} {LARGEST + 1001}\n' in text
    assert f'sent_bytes_total{{transport="udp"}} {LARGEST + 1001}\n' in text

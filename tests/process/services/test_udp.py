"""Datagrams: answers, filters, rate limits and floods."""

import re
import signal
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest

from network_namespaces import linked
from server_process import Serve, ServerProcess, wait_until

LINE = re.compile(rb"[A-Z][a-z]{2} [A-Z][a-z]{2} [ 123]\d [\d:]{8} UTC \d{4}\r\n")
LARGEST = 65_507

FAULTY = str(Path(__file__).parent / "faulty.py")
MIB = 1 << 20

# Linux's number; Python has a name for it since 3.14.
IP_PKTINFO = 8

# RFC 791 section 3.1.
DONT_FRAGMENT = 1 << 14

RATE, TOTAL_FACTOR = 20, 10
FLOOD = 3000


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


def counters(server: ServerProcess) -> dict[str, int]:
    """The datagrams received, sent, and dropped by reason."""
    pattern = r'datagrams_(received|sent|dropped)_total(?:\{reason="(\w+)"\})? (\d+)'
    found = re.findall(pattern, server.metrics())
    return {reason or what: int(count) for what, reason, count in found}


def flood(asking: socket.socket, port: int, sources: int) -> None:
    """Send datagrams as fast as can be, from as many addresses of this machine in turn."""
    for number in range(FLOOD):
        host = bytes([127, 1, *divmod(number % sources, 250)])
        source = struct.pack("=i4s4s", 0, host, bytes(4))
        asking.sendmsg([b"x"], [(socket.IPPROTO_IP, IP_PKTINFO, source)], 0, ("127.0.0.1", port))


def lost(port: int) -> int:
    """How many datagrams to the port the kernel dropped, since the socket's buffer was full."""
    rows = [
        row.split()
        for table in ("udp", "udp6")
        for row in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
    ]
    return sum(int(row[-1]) for row in rows if int(row[1].rpartition(":")[2], 16) == port)


def is_over(server: ServerProcess, reason: str) -> bool:
    """Whether each datagram of the flood was lost, answered, or dropped for the reason."""
    told = counters(server)
    return told["sent"] + told[reason] == told["received"] == FLOOD - lost(server.port)


def heard(asking: socket.socket) -> int:
    """How many answers have come."""
    asking.setblocking(False)
    answers = 0
    with suppress(BlockingIOError):
        while asking.recv(16):
            answers += 1
    return answers


@pytest.mark.fault("a flood from one source or from thousands")
@pytest.mark.parametrize(
    ("sources", "bucket", "reason"), [(1, RATE, "rate"), (FLOOD, RATE * TOTAL_FACTOR, "total_rate")]
)
@pytest.mark.usefixtures("own_network")
def test_a_flood_gets_no_more_than_the_bucket(
    serve: Serve, model: str, sources: int, bucket: int, reason: str
) -> None:
    """S1: one source or thousands get a burst and the rate, the rest is dropped and counted; the
    memory stays flat, and callers over TCP are served meanwhile.
    """
    server = serve("echo", "--udp", "--udp-rate", str(RATE), "--model", model, admin=True)
    with server.connect() as caller, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        caller.sendall(b"x")
        assert caller.recv(1) == b"x"
        before, began = server.peak_memory(), time.monotonic()
        asking.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, MIB)  # no answer is to be lost
        asking.bind(("0.0.0.0", 0))
        flood(asking, server.port, sources)
        caller.sendall(b"y")
        assert caller.recv(1) == b"y"
        wait_until(lambda: is_over(server, reason), "the end of the flood")
        most = bucket * (1 + time.monotonic() - began)
        assert bucket <= heard(asking) == counters(server)["sent"] <= most
    assert server.peak_memory() - before < 4 * MIB


@pytest.mark.fault("a full send buffer (injected: loopback never has one)")
@pytest.mark.parametrize("error", ["EAGAIN", "ENOBUFS"])
def test_a_full_send_buffer_drops_the_answer(serve: Serve, model: str, error: str) -> None:
    """An answer that cannot be sent at once is dropped and counted: it neither waits nor comes
    later, and the next one goes out.
    """
    env = {"FAULTS": " ".join(["sendmsg", *[error] * 100])}
    server = serve("echo", "--udp", "--model", model, program=FAULTY, env=env, admin=True)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(20)
        asking.connect(("127.0.0.1", server.port))
        for _ in range(100):
            asking.send(b"lost")
        wait_until(lambda: counters(server)["send_buffer"] == 100, "the counted drops")
        asking.send(b"next")
        assert asking.recv(16) == b"next"
        assert heard(asking) == 0
    assert server.stop() == 0
    assert server.stderr == ""


def send_forged(port: int, count: int) -> None:
    """Send datagrams to 10.77.0.1 from as many addresses of its link that no host has."""
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        for number in range(count):
            source = bytes([10, 77, *divmod(256 + number, 256)])
            udp = struct.pack("!HHHH4x", 5000, port, 12, 0)
            head = (0x45, 0, 20 + len(udp), 0, 0, 64, socket.IPPROTO_UDP, 0)
            ip = struct.pack("!BBHHHBBH4s4s", *head, source, bytes([10, 77, 0, 1]))
            raw.sendto(ip + udp, ("10.77.0.1", 0))


def ask_across(port: int) -> None:
    """Have a datagram answered by 10.77.0.1."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(0.1)
        asking.connect(("10.77.0.1", port))

        def is_answered() -> bool:
            asking.send(b"x")
            with suppress(TimeoutError):
                return asking.recv(16) == b"x"
            return False

        wait_until(is_answered, "an answer")


@pytest.mark.fault("forged sources on our own link that no host has")
def test_answers_to_absent_neighbours_fill_the_send_buffer(serve: Serve, model: str) -> None:
    """While the kernel looks for neighbours that are not there (ARP), answers to them fill the send
    buffer; what finds no room is counted, and other clients are answered when it has given up.
    """
    with linked() as (ours, theirs):
        flags = ("--udp", "--udp-rate", "0", "--model", model)
        server = serve("echo", *flags, admin=True, before=ours.enter)
        theirs.run(partial(ask_across, server.port))
        theirs.run(partial(send_forged, server.port, 1000))
        wait_until(lambda: ours.run(partial(counters, server))["send_buffer"], "the counted drops")
        theirs.run(partial(ask_across, server.port))
        told = ours.run(partial(counters, server))
        assert told["received"] == told["sent"] + told["send_buffer"]


@pytest.mark.fault("an answer larger than the path MTU, over IPv4")
@pytest.mark.usefixtures("own_network")
def test_an_answer_may_be_cut_on_its_way(serve: Serve, model: str) -> None:
    """E5: an answer that is too large for a link is cut there (no DF), since it is not sent again.

    Seen by a raw socket, which is given the header of all that comes.
    """
    server = serve("echo", "--udp", "--model", model)
    try:
        raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
    except PermissionError:
        pytest.skip("to see headers takes CAP_NET_RAW")
    with raw, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        raw.setblocking(False)

        def flags_of_an_answer() -> list[int]:
            # All that this host sends comes here, and may crowd an answer out: so ask again.
            asking.sendto(b"x", ("127.0.0.1", server.port))
            with suppress(BlockingIOError):
                while header := raw.recv(65536):
                    if struct.unpack_from("!H", header, 20) == (server.port,):
                        return list(struct.unpack_from("!H", header, 6))
            return []

        (flags,) = wait_until(flags_of_an_answer, "an answer")
    assert not flags & DONT_FRAGMENT

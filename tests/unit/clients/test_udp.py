"""UDP: who is asked, whose answer counts, and what the network says instead of an answer."""

from __future__ import annotations

import errno
import os
import socket
import struct
import sys
import threading
from typing import Any

import pytest

from peer import PATIENCE_S, DatagramPeer, refusing_datagrams
from probes.core.outcome import Failure, Outcome
from probes.core.result import Trace
from probes.core.target import Family, parse_target
from probes.net.deadline import Deadline
from probes.net.sockets import Address, Context, connected_socket
from probes.net.udp import Association, open_association

ICMP_UNREACHABLE = 3  # RFC 792
# The codes of an unreachable net and host, and of one that an administrator shut off (RFC 1122
# section 3.2.2.1).
ICMP_CODES = [0, 1, 10]


def associate(address: str, trace: Trace | None = None, timeout_s: float = 5) -> Association:
    """An association with a peer."""
    target = parse_target(address)
    return open_association(Context(target, Family.ANY, Deadline(timeout_s), trace or Trace()))


def failure(asking: Association, datagram: bytes = b"hello") -> Failure:
    """How asking fails."""
    with asking, pytest.raises(Failure) as caught:
        asking.ask(datagram)
    return caught.value


def test_answer() -> None:
    """E5: one datagram out, one in; the address that was asked is noted."""
    trace = Trace()
    with DatagramPeer(lambda data: data + b"!") as peer, associate(peer.address, trace) as asking:
        assert asking.ask(b"hello") == b"hello!"
    assert trace.address == peer.address
    assert peer.asked == [b"hello"]


def test_first_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of several addresses the first is asked, and no other: silence would not tell them apart."""
    with DatagramPeer(lambda _: None) as first, DatagramPeer(lambda data: data) as second:
        found = [Address(socket.AF_INET, each.sockaddr) for each in (first, second)]
        monkeypatch.setattr("probes.net.udp.lookup", lambda *_: found)
        assert failure(associate("host:80", timeout_s=0.2)).outcome is Outcome.TIMEOUT
    assert (first.asked, second.asked) == ([b"hello"], [])


def test_answer_from_elsewhere() -> None:
    """E6: an answer from another port than the one that was asked is none."""
    with DatagramPeer(lambda data: data, aside=True) as peer:
        failed = failure(associate(peer.address, timeout_s=0.2))
    assert peer.asked == [b"hello"]
    assert failed.outcome is Outcome.TIMEOUT
    assert failed.reason == "time ran out (no datagram came back)"


def test_port_unreachable() -> None:
    """ICMP port unreachable is REFUSED, at once."""
    with refusing_datagrams() as address:
        assert failure(associate(address)).outcome is Outcome.REFUSED


def test_datagram_too_long() -> None:
    """What the system refuses to send for its length (EMSGSIZE) did not get there: UNREACHABLE."""
    with DatagramPeer(lambda data: data) as peer:
        failed = failure(associate(peer.address), bytes(65508))
    assert failed.outcome is Outcome.UNREACHABLE
    assert failed.reason == f"{os.strerror(errno.EMSGSIZE)} (no datagram came back)"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux is asked for passing errors")
@pytest.mark.parametrize("code", ICMP_CODES)
def test_host_unreachable(code: int) -> None:
    """RFC 1122 section 4.1.3.3: an ICMP error that may pass ends the try too, as UNREACHABLE."""
    try:
        forger = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    except PermissionError:
        pytest.skip("to forge ICMP takes CAP_NET_RAW")
    asked = threading.Event()
    with forger, DatagramPeer(lambda _: asked.set()) as peer:

        def forge() -> None:
            assert asked.wait(PATIENCE_S)
            forger.sendto(unreachable(code, peer.ports[0], peer.port), ("127.0.0.1", 0))

        network = threading.Thread(target=forge)
        network.start()
        assert failure(associate(peer.address)).outcome is Outcome.UNREACHABLE
        network.join()


def unreachable(code: int, source_port: int, port: int) -> bytes:
    """An ICMP message: a datagram over loopback could not be delivered."""
    loopback = socket.inet_aton("127.0.0.1")
    length = 20 + 8
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, length, 0, 0, 64, 17, 0, loopback, loopback)
    udp = struct.pack("!HHHH", source_port, port, 8, 0)
    message = struct.pack("!BBHI", ICMP_UNREACHABLE, code, 0, 0) + ip + udp
    return message[:2] + struct.pack("!H", internet_checksum(message)) + message[4:]


def internet_checksum(data: bytes) -> int:
    """RFC 1071."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def test_associated_with_ourselves(monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket that was given the very port it asks is REFUSED, or it would answer itself."""

    class SelfAsking(socket.socket):
        def connect(self, place: Any) -> None:
            self.bind(place)
            super().connect(place)

    with DatagramPeer(lambda _: None) as peer:
        free = Address(socket.AF_INET, peer.sockaddr)
    monkeypatch.setattr(socket, "socket", SelfAsking)
    with pytest.raises(Failure, match="connected to ourselves") as caught:
        connected_socket(free, socket.SOCK_DGRAM, Deadline(5))
    assert caught.value.outcome is Outcome.REFUSED


def test_no_passing_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that does not offer its passing errors is no obstacle."""

    class Plain(socket.socket):
        def setsockopt(self, *_: Any) -> None:
            raise OSError(errno.ENOPROTOOPT, "Protocol not available")

    with DatagramPeer(lambda data: data) as peer:
        monkeypatch.setattr(socket, "socket", Plain)
        with associate(peer.address) as asking:
            assert asking.ask(b"hello") == b"hello"

"""Connecting: every address gets its turn within the one deadline."""

from __future__ import annotations

import socket
import time
from typing import Any

import pytest

from peer import Peer, black_hole, echo, receive_all, refusing, send
from probes.core.outcome import Failure, Outcome
from probes.core.result import Trace
from probes.core.target import Family, parse_target
from probes.net.deadline import Deadline
from probes.net.sockets import Address, Context
from probes.net.tcp import connect, open_connection
from probes.protocols.echo_session import EchoSession, HoldOptions


def address(text: str) -> Address:
    """The address of a peer, as a look-up would give it."""
    target = parse_target(text)
    return Address(socket.AF_INET, (target.host, target.port))


def test_first_address_dead() -> None:
    """A dead first address uses its share of the time, and the second is still tried."""
    trace = Trace()
    with black_hole() as dead, Peer(receive_all()) as alive:
        addresses = [address(dead), address(alive.address)]
        began = time.monotonic()
        with connect(addresses, Deadline(2.0), trace):
            assert 1.0 <= time.monotonic() - began < 2.0
        assert trace.address == alive.address


def test_first_address_refused() -> None:
    """A refusal costs no time: the next address is tried at once."""
    trace = Trace()
    with refusing() as dead, Peer(receive_all()) as alive:
        with connect([address(dead), address(alive.address)], Deadline(5), trace):
            pass
        assert trace.address == alive.address


def test_no_address_answers() -> None:
    """When none answers, the best-ranked address gives the outcome; the others are named."""
    trace = Trace()
    with refusing() as first, black_hole() as second:
        with pytest.raises(Failure) as caught:
            connect([address(first), address(second)], Deadline(0.3), trace)
        assert caught.value.outcome is Outcome.REFUSED
        assert caught.value.reason == f"Connection refused (also tried {second} TIMEOUT)"
        assert trace.address == first


def test_deadline_covers_all_addresses() -> None:
    """However many addresses are dead, the deadline holds."""
    began = time.monotonic()
    with black_hole() as first, black_hole() as second, pytest.raises(Failure) as caught:
        connect([address(first), address(second), address(first)], Deadline(1.0), Trace())
    assert caught.value.outcome is Outcome.TIMEOUT
    assert 1.0 <= time.monotonic() - began < 2.5  # of the 3 s that each would take


def test_connected_to_ourselves(monkeypatch: pytest.MonkeyPatch) -> None:
    """TCP can connect a port to itself: that is REFUSED, or it would pass for a perfect echo."""

    class SelfConnecting(socket.socket):
        def connect(self, place: Any) -> None:
            self.bind(place)
            super().connect(place)

    with refusing() as free:
        pass
    monkeypatch.setattr(socket, "socket", SelfConnecting)
    with pytest.raises(Failure, match="connected to ourselves") as caught:
        connect([address(free)], Deadline(5), Trace())
    assert caught.value.outcome is Outcome.REFUSED


def test_interrupted_connect_leaves_no_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever ends a connect, its socket is closed."""
    made: list[socket.socket] = []

    class Interrupted(socket.socket):
        def connect(self, _: object) -> None:
            made.append(self)
            raise KeyboardInterrupt

    monkeypatch.setattr(socket, "socket", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        connect([address("127.0.0.1:9")], Deadline(5), Trace())
    assert made[0].fileno() == -1


def test_family_is_obeyed() -> None:
    """-6 does not fall back to IPv4."""
    with Peer(receive_all()) as peer, pytest.raises(Failure) as caught:
        open_connection(Context(parse_target(peer.address), Family.IPV6, Deadline(5), Trace()))
    assert caught.value.outcome is Outcome.DNS


def test_a_conversation_with_who_speaks_first() -> None:
    """E1: what comes before anything was sent is WRONG, whatever it is."""
    with Peer(send(b"hello")) as peer:
        target = parse_target(peer.address)
        with open_connection(Context(target, Family.IPV4, Deadline(5), Trace())) as connection:
            assert connection.wait(to_send=False) == (True, False)
            options = HoldOptions(target, Family.IPV4, 1, (), 1, 1, 1, 512)
            session = EchoSession(connection, options, lambda _: None)
            with pytest.raises(Failure, match="5 bytes came before anything was sent"):
                session.run()
    assert (session.sent, session.matched) == (0, 0)


def test_silence_puts_the_deadline_off() -> None:
    """A wait for silence is not at the cost of what follows; one that ends with a byte is."""
    with Peer(echo()) as peer:
        target = parse_target(peer.address)
        with open_connection(Context(target, Family.IPV4, Deadline(5), Trace())) as connection:
            left = connection.deadline.remaining()
            with pytest.raises(Failure), connection.within(1):
                connection.receive()
            assert connection.deadline.remaining() > left - 0.5
            connection.send_all(b"x")
            with connection.within(100):
                assert connection.receive() == b"x"
            assert connection.deadline.remaining() <= left

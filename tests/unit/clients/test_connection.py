"""Look-up and connect: every address gets its turn, and every error becomes an outcome."""

from __future__ import annotations

import errno
import socket
import threading
import time
from typing import Any

import pytest

from peer import Peer, black_hole, receive_all, refusing
from probes.address import Target, parse_target
from probes.connection import (
    Address,
    connect,
    lookup,
    open_connection,
    os_errors_as_failures,
)
from probes.deadline import Deadline
from probes.outcome import Failure, Outcome
from probes.result import Trace

TARGET = Target("host", 80)


def address(text: str) -> Address:
    """The address of a peer, as a look-up would give it."""
    target = parse_target(text)
    return Address(socket.AF_INET, (target.host, target.port))


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), Outcome.DNS),
        (socket.gaierror(socket.EAI_AGAIN, "Temporary failure"), Outcome.DNS),
        (OSError(errno.ECONNREFUSED, "Connection refused"), Outcome.REFUSED),
        (OSError(errno.ECONNRESET, "Connection reset by peer"), Outcome.RESET),
        (OSError(errno.EPIPE, "Broken pipe"), Outcome.RESET),
        (OSError(errno.ETIMEDOUT, "Connection timed out"), Outcome.TIMEOUT),
        (TimeoutError("timed out"), Outcome.TIMEOUT),
        (OSError(errno.EHOSTUNREACH, "No route to host"), Outcome.UNREACHABLE),
        (OSError(errno.ENETUNREACH, "Network is unreachable"), Outcome.UNREACHABLE),
        (OSError(errno.EAFNOSUPPORT, "Address family not supported"), Outcome.UNREACHABLE),
        (OSError(errno.EACCES, "Permission denied"), Outcome.UNREACHABLE),
        (OSError("something odd"), Outcome.UNREACHABLE),
    ],
)
def test_errors_are_outcomes(error: OSError, outcome: Outcome) -> None:
    """Every error of the system becomes one outcome with a reason in words."""
    with pytest.raises(Failure) as caught, os_errors_as_failures():
        raise error
    assert caught.value.outcome is outcome
    assert caught.value.reason


def test_lookup_asks_once() -> None:
    """The resolver is asked for exactly the host, port and family; its order is kept."""
    asked: list[object] = []

    def resolve(*question: object) -> list[object]:
        asked.append(question)
        return [
            (socket.AF_INET6, 1, 6, "", ("::1", 80, 0, 0)),
            (socket.AF_INET, 1, 6, "", ("127.0.0.1", 80)),
        ]

    found = lookup(TARGET, socket.AF_UNSPEC, Deadline(5), resolve)
    assert asked == [(b"host", 80, socket.AF_UNSPEC, socket.SOCK_STREAM)]
    assert [str(each) for each in found] == ["[::1]:80", "127.0.0.1:80"]


def test_resolver_that_fails() -> None:
    """An error of the resolver crosses its thread and is DNS."""

    def resolve(*_: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with pytest.raises(Failure, match="Name or service not known") as caught:
        lookup(TARGET, socket.AF_UNSPEC, Deadline(5), resolve)
    assert caught.value.outcome is Outcome.DNS


def test_resolver_that_hangs() -> None:
    """A resolver that does not answer is TIMEOUT at the deadline, with a hint for clusters."""
    answered = threading.Event()
    began = time.monotonic()
    with pytest.raises(Failure, match="the full name with a dot") as caught:
        lookup(TARGET, socket.AF_UNSPEC, Deadline(0.2), lambda *_: answered.wait(20) and [])
    answered.set()
    assert caught.value.outcome is Outcome.TIMEOUT
    assert 0.2 <= time.monotonic() - began < 1


def test_first_address_dead() -> None:
    """A dead first address uses its share of the time, and the second is still tried."""
    trace = Trace()
    with black_hole() as dead, Peer(receive_all()) as alive:
        addresses = [address(dead), address(alive.address)]
        began = time.monotonic()
        with connect(addresses, Deadline(1.0), trace):
            assert 0.5 <= time.monotonic() - began < 0.9
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
        connect([address(first), address(second), address(first)], Deadline(0.3), Trace())
    assert caught.value.outcome is Outcome.TIMEOUT
    assert 0.3 <= time.monotonic() - began < 0.8


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
        open_connection(parse_target(peer.address), socket.AF_INET6, Deadline(5), Trace())
    assert caught.value.outcome is Outcome.DNS

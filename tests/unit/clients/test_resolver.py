"""Look-up, and every error of the system becoming an outcome."""

from __future__ import annotations

import errno
import socket
import threading
import time

import pytest

from probes.core.outcome import Failure, Outcome
from probes.core.target import Family, Target
from probes.net import resolver
from probes.net.deadline import Deadline
from probes.net.resolver import lookup
from probes.net.sockets import Address, os_errors_as_failures

TARGET = Target("host", 80)
STREAM = (Family.ANY, socket.SOCK_STREAM)


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

    found = lookup(TARGET, *STREAM, Deadline(5), resolve)
    assert asked == [(b"host", 80, socket.AF_UNSPEC, socket.SOCK_STREAM)]
    assert [str(each) for each in found] == ["[::1]:80", "127.0.0.1:80"]


@pytest.mark.parametrize(("scope", "zone"), [(socket.if_nametoindex("lo"), "lo"), (9999, "9999")])
def test_a_link_local_address_keeps_its_interface(scope: int, zone: str) -> None:
    """RFC 4007 section 11: without its zone the address that is shown could not be used again."""
    assert str(Address(socket.AF_INET6, ("fe80::1", 80, 0, scope))) == f"[fe80::1%{zone}]:80"


def test_resolver_that_fails() -> None:
    """An error of the resolver crosses its thread and is DNS."""

    def resolve(*_: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with pytest.raises(Failure, match="Name or service not known") as caught:
        lookup(TARGET, *STREAM, Deadline(5), resolve)
    assert caught.value.outcome is Outcome.DNS


def test_resolver_that_hangs() -> None:
    """A resolver that does not answer is TIMEOUT at the deadline, with a hint for clusters."""
    answered = threading.Event()
    began = time.monotonic()
    with pytest.raises(Failure, match="the full name with a dot") as caught:
        lookup(TARGET, *STREAM, Deadline(0.2), lambda *_: answered.wait(20) and [])
    answered.set()
    assert caught.value.outcome is Outcome.TIMEOUT
    assert 0.2 <= time.monotonic() - began < 10


@pytest.mark.fault("many attempts at a resolver that is silent for a while (replaced in the tool)")
def test_resolver_that_is_slow() -> None:
    """It is not asked again while it is silent, and an answer that is late is still taken."""
    asked, answered = [], threading.Event()

    def resolve(*_: object) -> list[object]:
        asked.append(1)
        assert answered.wait(20)
        return [(socket.AF_INET, 1, 6, "", ("127.0.0.1", 80))]

    for _ in range(2):
        with pytest.raises(Failure) as caught:
            lookup(TARGET, *STREAM, Deadline(0.1), resolve)
        assert caught.value.outcome is Outcome.TIMEOUT
    assert len(asked) == 1
    answered.set()
    (found,) = lookup(TARGET, *STREAM, Deadline(20), resolve)
    assert str(found) == "127.0.0.1:80"


@pytest.mark.fault("many attempts at a resolver that is silent for a while (replaced in the tool)")
def test_resolver_that_was_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked again after a while, but not by more threads than are allowed."""
    asked, over = [], threading.Event()

    def resolve(*_: object) -> list[object]:
        asked.append(1)
        if len(asked) < 3:
            assert over.wait(20)
        return [(socket.AF_INET, 1, 6, "", ("127.0.0.1", 80))]

    monkeypatch.setattr(resolver, "ASK_AGAIN_S", 0.0)
    for most, count in [(1, 1), (1, 1), (2, 2), (2, 2)]:
        monkeypatch.setattr(resolver, "MAX_LOOK_UPS", most)
        with pytest.raises(Failure):
            lookup(TARGET, *STREAM, Deadline(0.05), resolve)
        assert len(asked) == count
    monkeypatch.setattr(resolver, "MAX_LOOK_UPS", 3)
    (found,) = lookup(TARGET, *STREAM, Deadline(20), resolve)
    over.set()
    assert (str(found), len(asked)) == ("127.0.0.1:80", 3)


def test_resolver_that_cannot_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no thread can be started, the name is not looked up: DNS, which says why."""

    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(Failure, match="cannot ask the resolver: can't start new") as caught:
        lookup(TARGET, *STREAM, Deadline(5))
    assert caught.value.outcome is Outcome.DNS

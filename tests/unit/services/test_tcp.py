"""Opening listeners and naming addresses."""

import socket
from contextlib import ExitStack
from functools import partial

import pytest

from runtime import tcp, udp
from runtime.tcp import (
    BACKLOG,
    accept,
    accept_queued,
    address_text,
    open_listener,
    open_sibling,
)
from runtime.udp import open_sockets


@pytest.mark.parametrize(
    ("address", "text"),
    [
        (("127.0.0.1", 7), "127.0.0.1:7"),
        (("::1", 7, 0, 0), "[::1]:7"),
        (("::ffff:127.0.0.1", 7, 0, 0), "127.0.0.1:7"),
        (("fe80::1%eth0", 7, 0, 2), "[fe80::1%eth0]:7"),
    ],
)
def test_addresses_are_named_as_they_would_be_typed(address: tuple[str, int], text: str) -> None:
    """IPv6 stands in brackets; an IPv4-mapped address is an IPv4 address."""
    assert address_text(address) == text


@pytest.mark.parametrize(
    ("host", "family", "bound"),
    [
        ("", "any", "::"),
        ("", "4", "0.0.0.0"),
        ("", "6", "::"),
        ("127.0.0.1", "any", "127.0.0.1"),
        ("::1", "any", "::1"),
    ],
)
def test_what_is_bound(host: str, family: str, bound: str) -> None:
    """An empty host is every interface of the family."""
    with open_listener(host, 0, family, {}) as listener:
        assert listener.getsockname()[0] == bound


def test_accepted_sockets_inherit_what_the_listener_has() -> None:
    """E1: urgent bytes stay in the stream, and small replies do not wait (no Nagle)."""
    with (
        open_listener("127.0.0.1", 0, "4", {}) as listener,
        socket.create_connection(listener.getsockname()),
    ):
        listener.settimeout(5)
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE)
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_accept_queued_takes_whoever_waits() -> None:
    """The queue is emptied, in order."""
    with open_listener("127.0.0.1", 0, "4", {}) as listener:
        assert accept(listener) is None
        callers = [socket.create_connection(listener.getsockname()) for _ in range(5)]
        accepted = list(accept_queued(listener))
        assert [peer for _, peer in accepted] == [caller.getsockname() for caller in callers]
        for each in [*callers, *(connection for connection, _ in accepted)]:
            each.close()


@pytest.mark.fault("a flood of connects at the stop")
@pytest.mark.usefixtures("own_network")
def test_accept_queued_ends_under_a_flood() -> None:
    """A queue that new connections keep filling is emptied of as many as it can hold."""
    with ExitStack() as stack:
        listener = stack.enter_context(open_listener("127.0.0.1", 0, "4", {}))
        connect = partial(socket.create_connection, listener.getsockname())
        accepted = 0
        stack.enter_context(connect())
        for connection, _ in accept_queued(listener):
            connection.close()
            stack.enter_context(connect())
            accepted += 1
        assert BACKLOG <= accepted <= BACKLOG + 1


@pytest.mark.parametrize(("host", "family"), [("", "any"), ("", "4"), ("", "6"), ("::1", "any")])
def test_a_sibling_is_like_the_first(host: str, family: str) -> None:
    """It listens on the same address, and for the same families."""
    with open_listener(host, 0, family, {}) as first, open_sibling(first, {}) as sibling:
        assert sibling.getsockname() == first.getsockname()
        assert sibling.family == first.family
        if first.family == socket.AF_INET6:
            only = [
                each.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
                for each in (first, sibling)
            ]
            assert only[0] == only[1]


def test_a_sibling_keeps_the_interface(monkeypatch: pytest.MonkeyPatch) -> None:
    """A link-local address means nothing without its interface. Here lo lends one that it need not
    have (IPV6_FREEBIND); over UDP a multicast one does, which anybody may bind.
    """
    monkeypatch.setattr(socket, "IPV6_FREEBIND", 78, raising=False)  # Linux's number
    monkeypatch.setattr(tcp, "_INHERITED", [(socket.IPPROTO_IPV6, "IPV6_FREEBIND", 1)])
    with open_listener("fe80::1%lo", 0, "any", {}) as first, open_sibling(first, {}) as sibling:
        assert sibling.getsockname() == first.getsockname()
    (first,) = open_sockets("ff02::1%lo", 0, "any", {})
    with first, udp.open_sibling(first, {}) as sibling:
        assert sibling.getsockname() == first.getsockname()


def test_siblings_let_nobody_else_in() -> None:
    """A port that is shared among siblings is taken for whoever comes with a first one."""
    with (
        open_listener("127.0.0.1", 0, "4", {}) as first,
        open_sibling(first, {}),
        pytest.raises(OSError, match="in use"),
    ):
        open_listener("127.0.0.1", first.getsockname()[1], "4", {})


def test_siblings_over_udp_let_nobody_else_in() -> None:
    """The same for UDP sockets."""
    firsts = open_sockets("127.0.0.1", 0, "4", {})
    siblings = [udp.open_sibling(first, {}) for first in firsts]
    assert [each.getsockname() for each in siblings] == [each.getsockname() for each in firsts]
    with pytest.raises(OSError, match="in use"):
        open_sockets("127.0.0.1", firsts[0].getsockname()[1], "4", {})
    for each in firsts + siblings:
        each.close()

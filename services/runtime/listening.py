"""Opening the listener, and taking callers off its queue."""

import errno
from collections.abc import Iterator
from socket import (
    AF_INET,
    AF_INET6,
    IPPROTO_IPV6,
    IPPROTO_TCP,
    IPV6_V6ONLY,
    SO_OOBINLINE,
    SO_REUSEADDR,
    SOCK_STREAM,
    SOL_SOCKET,
    TCP_NODELAY,
    has_dualstack_ipv6,
    if_nametoindex,
    socket,
)
from typing import Any

from runtime.connection import Accepted

# Callers that may wait to be accepted. The kernel cuts it down to net.core.somaxconn, 4096 on
# current Linux; Python's socketserver would ask for 5.
BACKLOG = 1024

# The process or the system has run out; trying again at once would spin (accept(2)).
EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}

# How long not to accept after that.
EXHAUSTED_PAUSE_S = 0.1

# Nobody waits, or whoever waited has gone: accept(2) asks to treat these network errors of the
# new connection like EAGAIN. Anything else is a defect and must be loud.
_NOBODY = {
    errno.EAGAIN,
    errno.ECONNABORTED,
    errno.EHOSTDOWN,
    errno.EHOSTUNREACH,
    errno.ENETDOWN,
    errno.ENETUNREACH,
    getattr(errno, "ENONET", errno.EAGAIN),  # Linux only
    errno.ENOPROTOOPT,
    errno.EOPNOTSUPP,
    errno.EPERM,
    errno.EPROTO,
    errno.ETIMEDOUT,
}


def open_listener(host: str, port: int, family: str) -> socket:
    """A listening TCP socket.

    `host` is an address, or empty for every interface of `family` ("any", "4" or "6"); with
    "any" that is IPv6 and IPv4 on one socket where the kernel has both. Raises OSError.
    """
    if host == "" and family == "any":
        dual = has_dualstack_ipv6()
        return _listen("::" if dual else "0.0.0.0", port, v6only=False)
    if host == "":
        host = "::" if family == "6" else "0.0.0.0"
    return _listen(host, port, v6only=family == "6" or host != "::")


def _listen(host: str, port: int, *, v6only: bool) -> socket:
    is_v6 = ":" in host
    listener = socket(AF_INET6 if is_v6 else AF_INET, SOCK_STREAM)
    try:
        if is_v6:
            listener.setsockopt(IPPROTO_IPV6, IPV6_V6ONLY, v6only)
        # Daytime closes first, so the TIME_WAIT of every call is ours: a restart must not
        # find its own port taken.
        listener.setsockopt(SOL_SOCKET, SO_REUSEADDR, 1)
        # What follows is inherited by every accepted socket. Urgent bytes are bytes of the
        # stream (RFC 862: "any data received is sent back"); and no reply, however small,
        # waits for the acknowledgement of the one before it (Nagle, RFC 896).
        listener.setsockopt(SOL_SOCKET, SO_OOBINLINE, 1)
        listener.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
        listener.setblocking(False)
        listener.bind(sockaddr(host, port))
        listener.listen(BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


def sockaddr(host: str, port: int) -> tuple[str, int] | tuple[str, int, int, int]:
    """What bind and connect take for an IPv4 or IPv6 address, zone id resolved.

    An unknown interface raises OSError.
    """
    address, _, zone = host.partition("%")
    if not zone:
        return address, port
    return address, port, 0, int(zone) if zone.isdecimal() else if_nametoindex(zone)


def accept(listener: socket) -> Accepted | None:
    """The next waiting caller, as socket and address; None if nobody waits.

    Raises OSError, with an errno in `EXHAUSTED`, when there is a caller but no means.
    """
    try:
        return listener.accept()
    except OSError as error:
        if error.errno in _NOBODY:
            return None
        raise


def accept_queued(listener: socket) -> Iterator[Accepted]:
    """Everybody who waits now, as long as there is means for one more.

    A listener is emptied like this before it closes, since its close resets whoever waits. So
    the connection cap is no limit here: at the cap is where callers wait.
    """
    while True:
        try:
            accepted = accept(listener)
        except OSError as error:
            if error.errno not in EXHAUSTED:
                raise
            return
        if accepted is None:
            return
        yield accepted


def address_text(address: Any) -> str:
    """A socket address as `host:port`, IPv6 in brackets, IPv4-mapped IPv6 as IPv4."""
    host, port = address[:2]
    if "." in host:
        host = host.removeprefix("::ffff:")
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

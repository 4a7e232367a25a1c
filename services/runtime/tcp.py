"""Open a listener, and accept connections."""

import errno
import os
import socket
from collections.abc import Iterator
from socket import (
    AF_INET,
    AF_INET6,
    IPPROTO_IPV6,
    IPPROTO_TCP,
    IPV6_V6ONLY,
    SOCK_STREAM,
    SOL_SOCKET,
    if_nametoindex,
)
from typing import Any

from runtime.connection import NO_LINGER, Accepted, bytes_acked
from runtime.options import Option, Refused, apply, reason, require

# Connections that may wait to be accepted. The kernel lowers it to net.core.somaxconn, 4096 on
# current Linux. Python's socketserver asks for 5.
BACKLOG = 1024

# Linux queues one more than it was asked for (sk_acceptq_is_full).
MAX_QUEUED = BACKLOG + 1

# The process or the system has no descriptor or memory, or a security module forbids it for now.
# The connection stays in the queue, so an immediate retry would spin (accept(2)).
NOT_NOW = {
    *(errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.ENOSR),
    *(errno.EACCES, errno.EPERM),
}

# How long not to accept after that.
NOT_NOW_PAUSE_S = 0.1

# The queue is empty, or the connection was aborted: accept(2) asks to treat these network errors
# of the new connection like EAGAIN. Any other error is a defect and is raised.
_NO_CONNECTION = {
    errno.EAGAIN,
    errno.ECONNABORTED,
    errno.EHOSTDOWN,
    errno.EHOSTUNREACH,
    errno.ENETDOWN,
    errno.ENETUNREACH,
    getattr(errno, "ENONET", errno.EAGAIN),  # Linux only
    errno.ENOPROTOOPT,
    errno.EOPNOTSUPP,
    errno.EPROTO,
    errno.EPROTONOSUPPORT,
    errno.ESOCKTNOSUPPORT,
    errno.ETIMEDOUT,
}


# The kernel's buffer for a connection, in each direction. Without it the buffers grow to tcp_rmem
# and tcp_wmem, 4 MB and more for each client that does not read. The cost is throughput on long
# paths: at a round trip of 100 ms a client sends at most about 600 KB/s.
KERNEL_BUFFER_BYTES = 64 * 1024

# A vanished client is detected after 60 s of silence and three probes, 10 s apart, without an
# answer. Most NATs and load balancers keep a silent flow for longer than that.
KEEPALIVE_S, PROBE_S, PROBES = 60, 10, 3

# A system may refuse each of these options, or not know it. Accepted sockets inherit all of them.
_INHERITED: tuple[Option, ...] = (
    # Daytime closes first, so the TIME_WAIT of every call is ours: a restart must not
    # find its own port taken.
    (SOL_SOCKET, "SO_REUSEADDR", 1),
    # Urgent bytes are bytes of the stream (RFC 862: "any data received is sent back").
    (SOL_SOCKET, "SO_OOBINLINE", 1),
    # No reply, however small, waits for the acknowledgement of the one before it (RFC 896).
    (IPPROTO_TCP, "TCP_NODELAY", 1),
    (SOL_SOCKET, "SO_RCVBUF", KERNEL_BUFFER_BYTES),
    # Not SO_SNDBUF: what is on its way may be as much as the path takes, what waits may not.
    (IPPROTO_TCP, "TCP_NOTSENT_LOWAT", KERNEL_BUFFER_BYTES),
    (SOL_SOCKET, "SO_KEEPALIVE", 1),
    (IPPROTO_TCP, "TCP_KEEPIDLE", KEEPALIVE_S),
    (IPPROTO_TCP, "TCP_KEEPINTVL", PROBE_S),
    (IPPROTO_TCP, "TCP_KEEPCNT", PROBES),
    # No probe is sent while data is unacknowledged, and that would be repeated for a quarter of
    # an hour. The same patience as without data, since this also overrides TCP_KEEPCNT (tcp(7)).
    (IPPROTO_TCP, "TCP_USER_TIMEOUT", (KEEPALIVE_S + PROBES * PROBE_S) * 1000),
    # The default. Set here so that the ready line names it if the system refuses it: the reset of
    # a stalled connection needs it later.
    (SOL_SOCKET, "SO_LINGER", NO_LINGER),
)


def open_listener(host: str, port: int, family: str, refused: Refused) -> socket.socket:
    """Open a listening TCP socket, and note in `refused` which options it does without.

    `host` is an address, or empty for every interface of `family` ("any", "4" or "6"); with
    "any" that is IPv6 and IPv4 on one socket where the kernel has both. Raises OSError.
    """
    if host == "":
        host = "::" if family == "6" or (family == "any" and _has_ipv6()) else "0.0.0.0"
    v6only = family == "6" or host != "::"
    return _listen(sockaddr(host, port), refused, v6only=v6only)


def open_sibling(listener: socket.socket, refused: Refused) -> socket.socket:
    """Open one more listener on the same address. Linux spreads connections over all of them.

    The first listener gets SO_REUSEPORT only when it already listens. If it were bound with the
    option, a second server would join the listeners of the first instead of finding the port
    taken. Raises OSError.
    """
    require(listener, SOL_SOCKET, "SO_REUSEPORT", 1)
    v6only = listener.family == AF_INET6 and listener.getsockopt(IPPROTO_IPV6, IPV6_V6ONLY)
    return _listen(listener.getsockname(), refused, v6only=bool(v6only), is_sibling=True)


def _has_ipv6() -> bool:
    try:
        socket.socket(AF_INET6, SOCK_STREAM).close()
    except OSError:
        return False
    return True


def _listen(
    address: Any, refused: Refused, *, v6only: bool, is_sibling: bool = False
) -> socket.socket:
    is_v6 = ":" in address[0]
    listener = socket.socket(AF_INET6 if is_v6 else AF_INET, SOCK_STREAM)
    try:
        if is_v6:
            require(listener, IPPROTO_IPV6, "IPV6_V6ONLY", v6only)
        if is_sibling:
            require(listener, SOL_SOCKET, "SO_REUSEPORT", 1)
        apply(listener, _INHERITED, refused)
        try:
            bytes_acked(listener)
        except OSError as error:
            refused["TCP_INFO"] = reason(error)
        listener.setblocking(False)
        listener.bind(address)
        listener.listen(BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


def sockaddr(host: str, port: int) -> tuple[str, int] | tuple[str, int, int, int]:
    """Return the argument of bind and connect for an IPv4 or IPv6 address, zone id resolved.

    Raises OSError if the interface is unknown.
    """
    address, _, zone = host.partition("%")
    if not zone:
        return address, port
    return address, port, 0, int(zone) if zone.isdecimal() else if_nametoindex(zone)


def no_memory() -> OSError:
    """Return the error of the kernel that corresponds to a MemoryError."""
    return OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))


def accept(listener: socket.socket) -> Accepted | None:
    """Accept the next connection: a socket and the client's address. None if the queue is empty.

    Raises OSError with an errno in `NOT_NOW` if the connection has to wait.
    """
    try:
        return listener.accept()
    except OSError as error:
        if error.errno in _NO_CONNECTION:
            return None
        raise
    except MemoryError:
        raise no_memory() from None


def accept_queued(listener: socket.socket) -> Iterator[Accepted]:
    """Accept the connections that wait now, while there are descriptors and memory for one more.

    A listener is emptied like this before it closes, since its close resets what waits. So the
    connection limit does not apply here: at the limit connections wait. Under a flood the queue
    never gets empty, so this ends after as many as the queue can hold: those that came first.
    """
    for _ in range(MAX_QUEUED):
        try:
            accepted = accept(listener)
        except OSError as error:
            if error.errno not in NOT_NOW:
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

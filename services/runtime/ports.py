"""From settings to bound sockets, or to the one line that says why not."""

import errno
from socket import AF_INET, SOCK_DGRAM, socket
from typing import NamedTuple

from runtime.options import OptionRefused, Refused, reason
from runtime.settings import Settings
from runtime.tcp import open_listener, open_sibling

# Attempts to find a port that is free for TCP and UDP, if the system may choose.
PORT_TRIES = 20

# The setting that an error of bind speaks of; it is the port otherwise.
_CULPRIT = {
    errno.EADDRNOTAVAIL: "host",
    None: "host",  # if_nametoindex gives no number
    errno.EAFNOSUPPORT: "family",
}


# What to do without a socket option that a server needs.
_WITHOUT = {
    "IPV6_V6ONLY": "use --family 4",
    "IPV6_RECVPKTINFO": "use --family 4, or leave out --udp",
    "IP_PKTINFO": "leave out --udp",
    "SO_REUSEPORT": "use --workers 1",
}


class CannotStart(Exception):
    """The settings are fine, but the system does not grant them: one line."""


class Port(NamedTuple):
    """What serves one port number: a listener, and UDP sockets if they are asked for."""

    listener: socket
    sockets: list[socket]

    def close(self) -> None:
        """Close all of it; what other processes have of it stays open."""
        for each in (self.listener, *self.sockets):
            each.close()


def open_service_ports(settings: Settings, refused: Refused) -> list[Port]:
    """Open the port of the service, once for each worker. Raises CannotStart.

    Notes in `refused` which socket options the ports do without.
    """
    first = _open_service_port(settings, refused)
    try:
        return [first, *(_sibling(first, refused) for _ in range(1, settings.workers))]
    except OSError as error:
        raise _cannot_bind(settings, "port", error) from None


def _sibling(first: Port, refused: Refused) -> Port:
    """The same port once more, for another worker. Raises OSError."""
    from runtime.udp import open_sibling as open_datagram_sibling

    sockets = [open_datagram_sibling(each, refused) for each in first.sockets]
    return Port(open_sibling(first.listener, refused), sockets)


def open_admin_port(settings: Settings, refused: Refused) -> socket | None:
    """Open the listener of the admin port, if there is to be one. Raises CannotStart."""
    return _listener(settings, "admin_port", refused) if settings.admin_port else None


def _open_service_port(settings: Settings, refused: Refused) -> Port:
    for _ in range(PORT_TRIES):
        listener = _listener(settings, "port", refused)
        if not settings.udp:
            return Port(listener, [])
        from runtime.udp import open_sockets  # imported for --udp only

        port = listener.getsockname()[1]
        try:
            return Port(listener, open_sockets(settings.host, port, settings.family, refused))
        except OSError as error:
            listener.close()
            if settings.port or error.errno != errno.EADDRINUSE:
                raise _cannot_bind(settings, "port", error, " (UDP)") from None
    raise CannotStart("--port 0: found none that is free for both TCP and UDP")


def _listener(settings: Settings, port: str, refused: Refused) -> socket:
    try:
        listener = open_listener(settings.host, getattr(settings, port), settings.family, refused)
    except OSError as error:
        raise _cannot_bind(settings, port, error) from None
    if _is_broadcast(listener):
        listener.close()
        raise CannotStart(
            f"--host {settings.host}: must be the address of one host, not of a network (broadcast)"
        )
    return listener


def _is_broadcast(listener: socket) -> bool:
    """Return whether a bound address is one of a network, to which no client can connect."""
    if listener.family != AF_INET:
        return False
    with socket(AF_INET, SOCK_DGRAM) as asking:
        try:
            asking.connect(listener.getsockname())
        except OSError as error:  # connect(2): without SO_BROADCAST
            return error.errno == errno.EACCES
    return False


def _cannot_bind(settings: Settings, port: str, error: OSError, protocol: str = "") -> CannotStart:
    if isinstance(error, OptionRefused):
        what = f"socket option {error.name}: {reason(error)}"
        return CannotStart(f"{what}; the server needs this option: {_WITHOUT[error.name]}")
    name, hint = _CULPRIT.get(error.errno, port), ""
    if settings.host and error.errno in (errno.EINVAL, errno.ENODEV):
        name, hint = "host", "; write the interface of a link-local address, as in fe80::1%eth0"
    flag = f"--{name.replace('_', '-')} {getattr(settings, name)}"
    return CannotStart(f"{flag}: {reason(error)}{protocol}{hint}")

"""From settings to bound sockets, or to the one line that says why not."""

import errno
from socket import socket
from typing import NamedTuple

from runtime.listening import open_listener, open_sibling
from runtime.settings import Settings

# How often to look for a port that is free for TCP and UDP, where the system may choose.
PORT_TRIES = 20

# The setting that an error of bind speaks of; it is the port otherwise.
_CULPRIT = {
    errno.EADDRNOTAVAIL: "host",
    None: "host",  # if_nametoindex gives no number
    errno.EAFNOSUPPORT: "family",
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


def open_service_ports(settings: Settings) -> list[Port]:
    """The port of the service, once for each worker. Raises CannotStart."""
    first = _open_service_port(settings)
    try:
        return [first, *(_sibling(first) for _ in range(1, settings.workers))]
    except OSError as error:
        raise _cannot_bind(settings, "port", error) from None


def _sibling(first: Port) -> Port:
    """The same port once more, for another worker. Raises OSError."""
    from runtime.datagrams import open_sibling as open_datagram_sibling

    sockets = [open_datagram_sibling(each) for each in first.sockets]
    return Port(open_sibling(first.listener), sockets)


def open_admin_port(settings: Settings) -> socket | None:
    """The listener of the admin port, if there is to be one. Raises CannotStart."""
    return _listener(settings, "admin_port") if settings.admin_port else None


def _open_service_port(settings: Settings) -> Port:
    for _ in range(PORT_TRIES):
        listener = _listener(settings, "port")
        if not settings.udp:
            return Port(listener, [])
        from runtime.datagrams import open_sockets  # imported for --udp only

        port = listener.getsockname()[1]
        try:
            return Port(listener, open_sockets(settings.host, port, settings.family))
        except OSError as error:
            listener.close()
            if settings.port or error.errno != errno.EADDRINUSE:
                raise CannotStart(f"{_cannot_bind(settings, 'port', error)} (UDP)") from None
    raise CannotStart("--port 0: found none that is free for both TCP and UDP")


def _listener(settings: Settings, port: str) -> socket:
    try:
        return open_listener(settings.host, getattr(settings, port), settings.family)
    except OSError as error:
        raise _cannot_bind(settings, port, error) from None


def _cannot_bind(settings: Settings, port: str, error: OSError) -> CannotStart:
    name = _CULPRIT.get(error.errno, port)
    if settings.host and error.errno in (errno.EINVAL, errno.ENODEV):
        name = "host"  # a link-local address without its zone id, or an unknown one
    reason = (error.strerror or str(error)).lower()
    return CannotStart(f"--{name.replace('_', '-')} {getattr(settings, name)}: {reason}")

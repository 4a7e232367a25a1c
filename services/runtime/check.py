"""`--check`: ask a running server, at its admin port or by a round trip of the service."""

import errno
import os
import signal
from socket import AF_INET, AF_INET6, socket
from typing import NoReturn

from runtime.options import reason
from runtime.ports import CannotStart
from runtime.service import Service
from runtime.settings import BadSetting, Settings
from runtime.tcp import address_text, sockaddr

TIMEOUT_S = 2.0


class CheckFailed(CannotStart):
    """The server does not answer, or answers wrongly: one line."""


def check(service: Service, settings: Settings) -> None:
    """Ask the server that runs with these settings. Raises CheckFailed, BadSetting."""
    port, is_right = settings.port, service.check
    if settings.admin_port:
        from runtime.admin import is_ready

        port, is_right = settings.admin_port, is_ready
    if port == 0:
        raise BadSetting("--port 0: cannot be checked, since the system chose another")
    address = (_reachable(settings), port)
    # One deadline for all: a peer that drips would restart a timeout with each byte. A parent may
    # have blocked the signal, and a child inherits that.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})
    signal.signal(signal.SIGALRM, _expire)
    signal.setitimer(signal.ITIMER_REAL, TIMEOUT_S)
    try:
        with _connect(*address) as connected:
            if not is_right(connected):
                raise CheckFailed(f"check: {address_text(address)}: wrong answer")
    except OSError as error:
        raise CheckFailed(f"check: {address_text(address)}: {reason(error)}") from None


def _reachable(settings: Settings) -> str:
    """Return an address to connect to, where the server binds every interface."""
    if settings.host in ("", "0.0.0.0", "::"):
        return "::1" if settings.family == "6" else "127.0.0.1"
    return settings.host


def _connect(host: str, port: int) -> socket:
    connected = socket(AF_INET6 if ":" in host else AF_INET)
    try:
        connected.connect(sockaddr(host, port))
        if connected.getsockname() == connected.getpeername():
            # Nothing listens, and the system chose as our own port the one that was asked for.
            raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
    except OSError:
        connected.close()
        raise
    return connected


def _expire(*_: object) -> NoReturn:
    raise TimeoutError("timed out")

"""From settings to exit status: the one path through a server's life."""

import errno
import os
import resource
import sys
from collections.abc import Callable
from importlib import import_module
from socket import AF_INET, AF_INET6, socket
from typing import TypeVar

from runtime import __version__
from runtime.lifecycle import Stop
from runtime.listening import address_text, open_listener, sockaddr
from runtime.logs import Log, Sink
from runtime.service import Server, Service
from runtime.settings import BadSetting, Settings, parse

# Descriptors that are not callers: standard streams, listener, epoll, pipes, and what a
# library opens for a moment.
RESERVED_DESCRIPTORS = 32

CHECK_TIMEOUT_S = 2.0

# The setting that an error of bind speaks of; it is the port otherwise.
_CULPRIT = {
    errno.EADDRNOTAVAIL: "host",
    None: "host",  # if_nametoindex gives no number
    errno.EAFNOSUPPORT: "family",
}

S = TypeVar("S", bound=Settings)


class CannotStart(Exception):
    """The settings are fine, but the system does not grant them: one line."""


def run(name: str, kind: type[S], make_service: Callable[[S], Service], stop: Stop) -> int:
    """Serve as the command line and the environment ask, or check who does; the exit status."""
    try:
        settings, check = parse(kind, name, __version__, sys.argv[1:], os.environ)
        service = make_service(settings)
        return _check(service, settings) if check else _serve(service, settings, stop)
    except BadSetting as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 2
    except CannotStart as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 1


def _serve(service: Service, settings: Settings, stop: Stop) -> int:
    stop.drain_timeout = settings.drain_timeout
    cap = _connection_cap(settings.max_connections)
    text = sys.stdout is not None and sys.stdout.isatty()
    log = Log(service.name, settings.log_level, Sink.of(sys.stdout), text=text)
    listener = _listener(settings)
    log.write(
        "info",
        "ready",
        address=address_text(listener.getsockname()),
        model=settings.model,
        max_connections=cap,
        version=__version__,
    )
    # Only the model that is asked for, so that a system without epoll never meets its module.
    import_module(f"runtime.{settings.model}").serve(Server(listener, service, stop, log, cap))
    log.write("info", "stopped")
    return 0


def _listener(settings: Settings) -> socket:
    try:
        return open_listener(settings.host, settings.port, settings.family)
    except OSError as error:
        name = _CULPRIT.get(error.errno, "port")
        reason = (error.strerror or str(error)).lower()
        raise CannotStart(f"--{name} {getattr(settings, name)}: {reason}") from None


def _connection_cap(asked: int) -> int:
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return asked
    if limit <= RESERVED_DESCRIPTORS:
        raise CannotStart(f"RLIMIT_NOFILE {limit}: leaves no descriptor for a caller")
    return min(asked, limit - RESERVED_DESCRIPTORS)


def _check(service: Service, settings: Settings) -> int:
    """One round trip to the port that a server with these settings listens on."""
    host = {"": "", "0.0.0.0": "", "::": "::1"}.get(settings.host, settings.host)
    host = host or ("::1" if settings.family == "6" else "127.0.0.1")
    if settings.port == 0:
        raise BadSetting("--port 0: cannot be checked, since the system chose another")
    try:
        with socket(AF_INET6 if ":" in host else AF_INET) as connected:
            connected.settimeout(CHECK_TIMEOUT_S)
            connected.connect(sockaddr(host, settings.port))
            if service.check(connected):
                return 0
            raise CannotStart("check: wrong answer")
    except OSError as error:
        raise CannotStart(f"check: {address_text((host, settings.port))}: {error}") from None

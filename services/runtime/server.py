"""From settings to exit status: the one path through a server's life."""

import errno
import os
import resource
import signal
import sys
from collections.abc import Callable
from importlib import import_module
from socket import AF_INET, AF_INET6, socket
from threading import Thread
from typing import NoReturn, TypeVar

from runtime import __version__, threaded
from runtime.admin import MAX_CONNECTIONS as ADMIN_CONNECTIONS
from runtime.admin import Admin, is_ready
from runtime.connection import Ending
from runtime.datagrams import Datagrams, open_sockets
from runtime.heartbeat import Heartbeat
from runtime.lifecycle import Stop
from runtime.listening import address_text, open_listener, sockaddr
from runtime.logs import Log, Sink
from runtime.metrics import metrics_text
from runtime.service import Server, Service
from runtime.settings import BadSetting, Settings, parse
from runtime.tally import Tally

# Descriptors that are not callers: standard streams, listener, epoll, pipes, and what a
# library opens for a moment.
RESERVED_DESCRIPTORS = 32

CHECK_TIMEOUT_S = 2.0

# How long datagrams that were queued at the stop may take to be answered.
JOIN_GRACE_S = 1.0

# How often to look for a port that is free for TCP and UDP, where the system may choose.
PORT_TRIES = 20

# The setting that an error of bind speaks of; it is the port otherwise.
_CULPRIT = {
    errno.EADDRNOTAVAIL: "host",
    None: "host",  # if_nametoindex gives no number
    errno.EAFNOSUPPORT: "family",
}

S = TypeVar("S", bound=Settings)
T = TypeVar("T")


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
    stop.drain_delay, stop.drain_timeout = settings.drain_delay, settings.drain_timeout
    cap = _connection_cap(settings.max_connections)
    sink, text = Sink.of(sys.stdout), sys.stdout is not None and sys.stdout.isatty()
    log = Log(service.name, settings.log_level, sink, text=text)
    tally = Tally()
    listener, sockets = _open_service_port(settings)
    datagrams = Datagrams(sockets, service, settings.udp_rate, tally) if sockets else None
    server = Server(listener, service, stop, log, tally, Heartbeat(), cap, datagrams)
    ready: dict[str, object] = {"address": address_text(listener.getsockname())}
    if settings.admin_port:
        quiet = Log(service.name, "warning", sink, text=text)
        ready["admin"] = _serve_admin(settings, server, quiet)
    ready |= {"udp": settings.udp, "model": settings.model, "max_connections": cap}
    beside = None
    if datagrams and settings.model != "evented":
        beside = _start(datagrams.serve, stop)
    log.write("info", "ready", **ready, version=__version__)
    # Only the model that is asked for, so that a system without epoll never meets its module.
    import_module(f"runtime.{settings.model}").serve(server)
    if beside:
        beside.join(JOIN_GRACE_S)
    log.write("info", "stopped", cut=tally.endings[Ending.DRAINED])
    return 0


def _serve_admin(settings: Settings, server: Server[Service], log: Log) -> str:
    """Start the admin port in a thread that ends with the process; its address."""
    stop, name = server.stop, server.service.name
    service = Admin(
        server.heartbeat.is_alive,
        lambda: not stop.signalled,
        lambda: metrics_text(server.tally, name, settings.model),
    )
    listener = _listener(settings, "admin_port")
    admin = Server(listener, service, Stop(), log, Tally(), Heartbeat(), ADMIN_CONNECTIONS)
    _start(threaded.serve, admin)
    return address_text(listener.getsockname())


def _start(work: Callable[[T], None], argument: T) -> Thread:
    """Do some work in a thread that ends with the process."""
    thread = Thread(target=work, args=[argument], daemon=True)
    try:
        thread.start()
    except RuntimeError as error:
        raise CannotStart(str(error)) from None
    return thread


def _open_service_port(settings: Settings) -> tuple[socket, list[socket]]:
    """The listener, and UDP sockets with the same port number if they are asked for."""
    for _ in range(PORT_TRIES):
        listener = _listener(settings, "port")
        if not settings.udp:
            return listener, []
        port = listener.getsockname()[1]
        try:
            return listener, open_sockets(settings.host, port, settings.family)
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


def _connection_cap(asked: int) -> int:
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return asked
    if limit <= RESERVED_DESCRIPTORS:
        raise CannotStart(f"RLIMIT_NOFILE {limit}: leaves no descriptor for a caller")
    return min(asked, limit - RESERVED_DESCRIPTORS)


def _check(service: Service, settings: Settings) -> int:
    """Ask the server that runs with these settings: its admin port, else the service itself."""
    host = settings.host
    if host in ("", "0.0.0.0", "::"):
        host = "::1" if settings.family == "6" else "127.0.0.1"
    port, ask = (settings.port, service.check)
    if settings.admin_port:
        port, ask = (settings.admin_port, is_ready)
    if port == 0:
        raise BadSetting("--port 0: cannot be checked, since the system chose another")
    # One deadline over all of it: a timeout for each read is none at all against a drip.
    signal.signal(signal.SIGALRM, _too_late)
    signal.setitimer(signal.ITIMER_REAL, CHECK_TIMEOUT_S)
    try:
        with socket(AF_INET6 if ":" in host else AF_INET) as connected:
            connected.connect(sockaddr(host, port))
            if ask(connected):
                return 0
            raise CannotStart(f"check: {address_text((host, port))}: wrong answer")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise CannotStart(f"check: {address_text((host, port))}: {reason}") from None


def _too_late(*_: object) -> NoReturn:
    raise TimeoutError("timed out")

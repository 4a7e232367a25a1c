"""From settings to exit status: the one path through a server's life."""

import errno
import os
import signal
import sys
from collections.abc import Callable
from importlib import import_module
from io import TextIOWrapper
from socket import AF_INET, AF_INET6, socket
from typing import NoReturn, TypeVar

from runtime import __version__
from runtime.heartbeat import Heartbeat
from runtime.instance import Instance, start
from runtime.lifecycle import obey
from runtime.listening import address_text, sockaddr
from runtime.logs import Sink
from runtime.options import reason
from runtime.ports import CannotStart
from runtime.service import Service
from runtime.settings import BadSetting, Settings, parse
from runtime.signals import StopSignals
from runtime.tally import Tally

CHECK_TIMEOUT_S = 2.0

# How long datagrams that were queued at the stop may take to be answered.
JOIN_GRACE_S = 1.0

S = TypeVar("S", bound=Settings)


def run(
    name: str, kind: type[S], make_service: Callable[[S], Service], signals: StopSignals
) -> int:
    """Serve as the command line and the environment ask, or check who does; the exit status."""
    if isinstance(sys.stderr, TextIOWrapper):  # it is None in a process started without it
        # A traceback becomes one write, so that lines of two processes do not mix.
        sys.stderr.reconfigure(line_buffering=False, write_through=False)
    try:
        settings, check = parse(kind, name, __version__, sys.argv[1:], os.environ)
        service = make_service(settings)
        if check:
            signals.unblock()  # there is nothing to finish
            return _check(service, settings)
        return _serve(service, settings, signals)
    except BadSetting as error:
        Sink.of(sys.stderr).write(f"{name}: {error}")
        return 2
    except CannotStart as error:
        Sink.of(sys.stderr).write(f"{name}: {error}")
        return 1


def _serve(service: Service, settings: Settings, signals: StopSignals) -> int:
    if settings.workers == 1:
        return _serve_alone(Instance(service, settings), signals)
    # Before the ports, which may take the last descriptor, and an import needs one.
    from runtime.supervisor import Supervisor

    return Supervisor(Instance(service, settings), signals).run()


def _serve_alone(instance: Instance, signals: StopSignals) -> int:
    tally, heartbeat, model = Tally(), Heartbeat(), instance.settings.model
    server = instance.server(instance.ports[0], tally, heartbeat)
    start(obey, signals, instance.stop, lambda: instance.tell_stopping(len(tally.open)))
    instance.serve_admin(heartbeat.is_alive, tally.counts)
    beside = None
    if server.datagrams and model != "evented":
        beside = start(server.datagrams.serve, instance.stop)
    instance.say_ready()
    # Only the model that is asked for, so that a system without epoll never meets its module.
    import_module(f"runtime.{model}").serve(server)
    if beside:
        beside.join(JOIN_GRACE_S)
    instance.say_stopped(tally.counts())
    return 0


def _check(service: Service, settings: Settings) -> int:
    """Ask the server that runs with these settings: its admin port, else the service itself."""
    host = settings.host
    if host in ("", "0.0.0.0", "::"):
        host = "::1" if settings.family == "6" else "127.0.0.1"
    port, ask = (settings.port, service.check)
    if settings.admin_port:
        from runtime.admin import is_ready

        port, ask = (settings.admin_port, is_ready)
    if port == 0:
        raise BadSetting("--port 0: cannot be checked, since the system chose another")
    # One deadline over all of it: a timeout for each read is none at all against a drip.
    signal.signal(signal.SIGALRM, _too_late)
    signal.setitimer(signal.ITIMER_REAL, CHECK_TIMEOUT_S)
    try:
        with socket(AF_INET6 if ":" in host else AF_INET) as connected:
            connected.connect(sockaddr(host, port))
            if connected.getsockname() == connected.getpeername():
                # Nothing listens, and the system chose the port that was asked for as our own.
                raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
            if ask(connected):
                return 0
            raise CannotStart(f"check: {address_text((host, port))}: wrong answer")
    except OSError as error:
        raise CannotStart(f"check: {address_text((host, port))}: {reason(error)}") from None


def _too_late(*_: object) -> NoReturn:
    raise TimeoutError("timed out")

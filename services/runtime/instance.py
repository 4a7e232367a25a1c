"""A server about to serve, alone or with workers: its settings, its log, what it has bound."""

import resource
import sys
from collections.abc import Callable
from math import ceil
from threading import Thread
from typing import TypeVarTuple

from runtime import __version__
from runtime.connection import Ending
from runtime.heartbeat import Heartbeat
from runtime.lifecycle import Stop
from runtime.listening import address_text
from runtime.logs import Log, Sink
from runtime.options import Refused
from runtime.ports import CannotStart, Port, open_admin_port, open_service_ports
from runtime.service import Server, Service
from runtime.settings import Settings
from runtime.tally import Counts, Tally

# Descriptors that are not callers: standard streams, listener, epoll, pipes, and what a
# library opens for a moment.
RESERVED_DESCRIPTORS = 32

Arguments = TypeVarTuple("Arguments")


class Instance:
    """What a server has before it has met a caller. Raises CannotStart."""

    def __init__(self, service: Service, settings: Settings) -> None:
        self.settings = settings
        self.stop = Stop()
        self.stop.drain_delay = settings.drain_delay
        self.stop.drain_timeout = settings.drain_timeout
        sink, text = Sink.of(sys.stdout), sys.stdout is not None and sys.stdout.isatty()
        self.log = Log(service.name, settings.log_level, sink, text=text)
        self._service = service
        # Opened now: later there may be no descriptor for it.
        is_terminal = sys.stderr is not None and sys.stderr.isatty()
        self._terminal = Sink.of(sys.stderr) if is_terminal else None
        asked = ceil(settings.max_connections / settings.workers)
        self._cap = connection_cap(asked, reserved_descriptors(settings))
        self._refused: Refused = {}
        self.ports = open_service_ports(settings, self._refused)
        self.admin_listener = open_admin_port(settings, self._refused)

    def server(self, port: Port, tally: Tally, heartbeat: Heartbeat) -> Server[Service]:
        """All it takes to serve one of the ports."""
        rate, datagrams = self.settings.udp_rate, None
        if port.sockets:
            from runtime.datagrams import Datagrams  # imported by whom it serves only

            datagrams = Datagrams(port.sockets, self._service, rate, tally)
        beside = (tally, heartbeat, self._cap, datagrams)
        return Server(port.listener, self._service, self.stop, self.log, *beside)

    def serve_admin(self, is_alive: Callable[[], bool], counts: Callable[[], Counts]) -> None:
        """Serve the admin port, if there is one, in a thread that ends with the process.

        Raises CannotStart.
        """
        if not self.admin_listener:
            return
        from runtime.admin import Admin  # imported only when there is an admin port
        from runtime.admin_port import AdminPort
        from runtime.metrics import Metrics

        metrics = Metrics(counts, self._service.name, self.settings.model)
        pages = Admin(is_alive, lambda: not self.stop.signalled, metrics.text)
        try:
            start(AdminPort.serve, AdminPort(self.admin_listener, pages.answer, self.log))
        except OSError as error:
            raise CannotStart(f"admin port: {(error.strerror or str(error)).lower()}") from None

    def say_ready(self) -> None:
        """Write the first line of the log, and which socket options the server does without."""
        workers = self.settings.workers
        facts: dict[str, object] = {"address": address_text(self.ports[0].listener.getsockname())}
        if self.admin_listener:
            facts["admin"] = address_text(self.admin_listener.getsockname())
        facts |= {"udp": self.settings.udp, "model": self.settings.model}
        facts |= {"workers": workers} if workers > 1 else {}
        facts |= {"max_connections": self._cap * workers, "version": __version__}
        facts |= {"refused_options": sorted(self._refused)} if self._refused else {}
        self.log.write("info", "ready", **facts)
        for option, error in self._refused.items():
            self.log.write("debug", "socket option refused", option=option, error=error)

    def tell_stopping(self, open_connections: int) -> None:
        """Print on a terminal what the server waits for. Without that a drain looks like a hang."""
        seconds = self.settings.drain_delay + self.settings.drain_timeout
        if self._terminal and (open_connections or self.settings.drain_delay):
            self._terminal.write(
                f"{self._service.name}: stopping; open connections: {open_connections}; "
                f"waits {seconds:g} s at most; Ctrl-C once more ends it at once"
            )

    def say_stopped(self, counts: Counts) -> None:
        """The last line of the log: how many were cut at the drain deadline."""
        self.log.write("info", "stopped", cut=counts[Ending.DRAINED])


def reserved_descriptors(settings: Settings) -> int:
    """Return how many descriptors of a serving process are not for connections of the service."""
    if not settings.admin_port or settings.workers > 1:  # workers have the admin port beside them
        return RESERVED_DESCRIPTORS
    from runtime.admin_port import MAX_CLIENTS  # imported only when there is an admin port

    return RESERVED_DESCRIPTORS + MAX_CLIENTS


def connection_cap(asked: int, reserved: int) -> int:
    """The callers that one process may have, where that many are asked for. Raises CannotStart."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return asked
    if limit <= reserved:
        raise CannotStart(
            f"RLIMIT_NOFILE {limit}: leaves no descriptor for a connection, needs {reserved + 1}"
        )
    return min(asked, limit - reserved)


def start(work: Callable[[*Arguments], None], *arguments: *Arguments) -> Thread:
    """Do some work in a thread that ends with the process. Raises CannotStart."""
    thread = Thread(target=work, args=arguments, daemon=True)
    try:
        thread.start()
    except RuntimeError as error:
        raise CannotStart(str(error)) from None
    return thread

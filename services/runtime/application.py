"""A server: its settings, its log, the sockets it has bound, and how it runs."""

import resource
import sys
from collections.abc import Callable
from math import ceil
from threading import Thread
from typing import TypeVarTuple

from runtime import __version__
from runtime.connection import CloseReason
from runtime.context import ServerContext
from runtime.counters import Counters, Counts
from runtime.heartbeat import Heartbeat
from runtime.log import Log, Sink
from runtime.options import Refused, reason
from runtime.ports import CannotStart, Port, open_admin_port, open_service_ports
from runtime.service import Service
from runtime.settings import Settings
from runtime.shutdown import Shutdown, obey
from runtime.signals import StopSignals
from runtime.tcp import address_text

# Descriptors that are not connections: standard streams, listener, epoll, pipes, and what a
# library opens for a moment.
RESERVED_DESCRIPTORS = 32

# How long the datagrams that were queued when the drain began may take to be answered.
JOIN_GRACE_S = 1.0

Arguments = TypeVarTuple("Arguments")


class Application:
    """A server with its ports open."""

    def __init__(self, service: Service, settings: Settings) -> None:
        """Open the ports. Raises CannotStart."""
        self.settings = settings
        self.shutdown = Shutdown(settings.drain_delay, settings.drain_timeout)
        sink, text = Sink.of(sys.stdout), sys.stdout is not None and sys.stdout.isatty()
        self.log = Log(service.name, settings.log_level, sink, text=text)
        self._service = service
        # Opened now: later there may be no descriptor for it.
        is_terminal = sys.stderr is not None and sys.stderr.isatty()
        self._terminal = Sink.of(sys.stderr) if is_terminal else None
        limit = ceil(settings.max_connections / settings.workers)
        self._max_connections = connection_limit(limit, reserved_descriptors(settings))
        self._refused: Refused = {}
        self.ports = open_service_ports(settings, self._refused)
        self.admin_listener = open_admin_port(settings, self._refused)

    def run(self, signals: StopSignals) -> int:
        """Serve in this process until the signals stop it. Returns the exit status.

        Raises CannotStart.
        """
        counters, heartbeat = Counters(), Heartbeat()
        context = self.context(self.ports[0], counters, heartbeat)
        start(obey, signals, self.shutdown, lambda: self.print_stopping(len(counters.open)))
        self.serve_admin(heartbeat.is_alive, counters.counts)
        beside = None
        if context.udp and self.settings.model != "evented":
            beside = start(context.udp.serve, self.shutdown)
        self.log_ready()
        self._serve(context)
        if beside:
            beside.join(JOIN_GRACE_S)
        self.log_stopped(counters.counts())
        return 0

    def _serve(self, context: ServerContext[Service]) -> None:
        """Serve in the chosen model. Only its module is imported: macOS has no epoll."""
        match self.settings.model:
            case "iterative":
                from runtime import iterative

                iterative.serve(context)
            case "threaded":
                from runtime import threaded

                threaded.serve(context)
            case "evented":
                from runtime import evented

                evented.serve(context)

    def context(
        self, port: Port, counters: Counters, heartbeat: Heartbeat
    ) -> ServerContext[Service]:
        """Return what a model needs to serve one of the ports."""
        udp = None
        if port.sockets:
            from runtime.udp import UdpSockets  # imported only when UDP is enabled

            udp = UdpSockets(port.sockets, self._service, self.settings.udp_rate, counters)
        return ServerContext(
            listener=port.listener,
            service=self._service,
            shutdown=self.shutdown,
            log=self.log,
            counters=counters,
            heartbeat=heartbeat,
            max_connections=self._max_connections,
            udp=udp,
        )

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
        pages = Admin(is_alive, lambda: not self.shutdown.delaying, metrics.text)
        try:
            start(AdminPort.serve, AdminPort(self.admin_listener, pages.answer, self.log))
        except OSError as error:
            raise CannotStart(f"admin port: {reason(error)}") from None

    def log_ready(self) -> None:
        """Write the first line of the log, and which socket options the server does without."""
        workers = self.settings.workers
        facts: dict[str, object] = {"address": address_text(self.ports[0].listener.getsockname())}
        if self.admin_listener:
            facts["admin"] = address_text(self.admin_listener.getsockname())
        facts |= {"udp": self.settings.udp, "model": self.settings.model}
        facts |= {"workers": workers} if workers > 1 else {}
        facts |= {"max_connections": self._max_connections * workers, "version": __version__}
        facts |= {"refused_options": sorted(self._refused)} if self._refused else {}
        self.log.write("info", "ready", **facts)
        for option, error in self._refused.items():
            self.log.write("debug", "socket option refused", option=option, error=error)

    def print_stopping(self, open_connections: int) -> None:
        """Print on a terminal what the server waits for. Without that a drain looks like a hang."""
        seconds = self.settings.drain_delay + self.settings.drain_timeout
        if self._terminal and (open_connections or self.settings.drain_delay):
            self._terminal.write(
                f"{self._service.name}: stopping; open connections: {open_connections}; "
                f"waits {seconds:g} s at most; Ctrl-C once more ends it at once"
            )

    def log_stopped(self, counts: Counts) -> None:
        """Write the last line of the log: how many connections the drain deadline closed."""
        self.log.write("info", "stopped", cut=counts[CloseReason.DRAINED])


def reserved_descriptors(settings: Settings) -> int:
    """Return how many descriptors of a serving process are not for connections of the service."""
    if not settings.admin_port or settings.workers > 1:  # workers have the admin port beside them
        return RESERVED_DESCRIPTORS
    from runtime.admin_port import places  # imported only when there is an admin port

    return RESERVED_DESCRIPTORS + places()


def connection_limit(asked: int, reserved: int) -> int:
    """Return how many of the connections asked for the descriptor limit allows.

    Raises CannotStart if it allows none.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return asked
    if limit <= reserved:
        raise CannotStart(
            f"RLIMIT_NOFILE {limit}: leaves no descriptor for a connection, needs {reserved + 1}"
        )
    return min(asked, limit - reserved)


def start(work: Callable[[*Arguments], None], *arguments: *Arguments) -> Thread:
    """Start a thread that ends with the process. Raises CannotStart."""
    thread = Thread(target=work, args=arguments, daemon=True)
    try:
        thread.start()
    except RuntimeError as error:
        raise CannotStart(str(error)) from None
    return thread

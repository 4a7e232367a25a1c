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
        self._quiet = Log(service.name, "warning", sink, text=text)
        self._service = service
        # Opened now: later there may be no descriptor for it.
        is_terminal = sys.stderr is not None and sys.stderr.isatty()
        self._terminal = Sink.of(sys.stderr) if is_terminal else None
        self._cap = connection_cap(ceil(settings.max_connections / settings.workers))
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
        """Serve the admin port, if there is one, in a thread that ends with the process."""
        if not self.admin_listener:
            return
        from runtime import threaded  # imported where there is an admin port only
        from runtime.admin import MAX_CONNECTIONS, Admin
        from runtime.metrics import metrics_text

        name, model, stop = self._service.name, self.settings.model, self.stop
        service = Admin(
            is_alive, lambda: not stop.signalled, lambda: metrics_text(counts(), name, model)
        )
        beside = (Tally(), Heartbeat(), MAX_CONNECTIONS)
        start(threaded.serve, Server(self.admin_listener, service, Stop(), self._quiet, *beside))

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


def connection_cap(asked: int) -> int:
    """The callers that one process may have, where that many are asked for. Raises CannotStart."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return asked
    if limit <= RESERVED_DESCRIPTORS:
        raise CannotStart(f"RLIMIT_NOFILE {limit}: leaves no descriptor for a caller")
    return min(asked, limit - RESERVED_DESCRIPTORS)


def start(work: Callable[[*Arguments], None], *arguments: *Arguments) -> Thread:
    """Do some work in a thread that ends with the process. Raises CannotStart."""
    thread = Thread(target=work, args=arguments, daemon=True)
    try:
        thread.start()
    except RuntimeError as error:
        raise CannotStart(str(error)) from None
    return thread

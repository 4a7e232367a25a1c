"""What a model needs to serve one listener."""

from __future__ import annotations

from errno import errorcode
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from runtime.service import BlockingService

if TYPE_CHECKING:
    from socket import socket

    from runtime.connection import CloseReason, Connection
    from runtime.counters import Counters
    from runtime.heartbeat import Heartbeat
    from runtime.log import Log
    from runtime.shutdown import Shutdown
    from runtime.udp import UdpSockets

S_co = TypeVar("S_co", bound=BlockingService, covariant=True)


# Not a dataclass, whose import of inspect would slow every start.
class ServerContext(NamedTuple, Generic[S_co]):
    """One listener, and what serving its connections takes. Built with keywords."""

    listener: socket
    service: S_co
    shutdown: Shutdown
    log: Log
    counters: Counters
    heartbeat: Heartbeat
    max_connections: int
    udp: UdpSockets | None

    def room(self) -> int:
        """Return how many more connections the limit allows."""
        return self.max_connections - len(self.counters.open)

    def close(self, connection: Connection, reason: CloseReason) -> None:
        """Count, close and log a connection."""
        self.counters.ended(connection, reason)
        connection.close()
        self.log.ended(connection, reason)

    def accept_failed(self, error: OSError) -> None:
        """Count and log that a connection could not be accepted."""
        self.counters.accept_errors[errorcode[error.errno or 0]] += 1
        self.log.write_limited("warning", "accept failed", error=error.strerror)

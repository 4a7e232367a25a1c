"""What a service brings to a model, and what a model is given to run it."""

from __future__ import annotations

from errno import errorcode
from typing import TYPE_CHECKING, Generic, NamedTuple, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from socket import socket

    from runtime.blocking import BlockingConnection
    from runtime.connection import Accepted, Connection, Ending
    from runtime.conversation import Conversation, Watch
    from runtime.datagrams import Datagrams
    from runtime.heartbeat import Heartbeat
    from runtime.lifecycle import Stop
    from runtime.logs import Log
    from runtime.tally import Tally


class BlockingService(Protocol):
    """A protocol as a function that talks to one caller; all that the blocking models need."""

    name: str
    idle_timeout: float  # seconds without a byte after which a caller is let go; may be inf
    stall_timeout: float  # seconds in which a caller must take some of the answer; may be inf

    def handle(self, connection: BlockingConnection) -> None:
        """Serve one caller from first byte to last."""


class Service(BlockingService, Protocol):
    """The same protocol told for the evented model and for datagrams, too."""

    def conversations(self, watch: Watch, log: Log) -> Callable[[Accepted], Conversation]:
        """What serves each caller of one evented loop, in turns that never wait."""

    def answer(self, datagram: memoryview) -> memoryview | bytes:
        """The datagram that answers this one, which is gone after the next."""

    def check(self, connected: socket) -> bool:
        """One round trip over a connected socket with a timeout: was the answer right?"""


S_co = TypeVar("S_co", bound=BlockingService, covariant=True)


class Server(NamedTuple, Generic[S_co]):
    """One listener and all it takes to serve its callers."""

    listener: socket
    service: S_co
    stop: Stop
    log: Log
    tally: Tally
    heartbeat: Heartbeat
    max_connections: int
    datagrams: Datagrams | None = None

    def room(self) -> int:
        """How many more callers the connection cap allows."""
        return self.max_connections - len(self.tally.open)

    def ended(self, connection: Connection, ending: Ending) -> None:
        """Count, close and log a connection."""
        self.tally.ended(connection, ending)
        connection.close()
        self.log.ended(connection, ending)

    def accept_failed(self, error: OSError) -> None:
        """Count and log that there was a caller who could not be accepted."""
        self.tally.accept_errors[errorcode[error.errno or 0]] += 1
        self.log.seldom("warning", "accept failed", error=error.strerror)

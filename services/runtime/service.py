"""What a service brings to a model, and what a model is given to run it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from socket import socket

    from runtime.blocking import BlockingConnection
    from runtime.connection import Accepted
    from runtime.conversation import Conversation, Watch
    from runtime.lifecycle import Stop
    from runtime.logs import Log


class Service(Protocol):
    """A protocol, told twice: as a blocking function and as a conversation in turns."""

    name: str
    idle_timeout: float  # seconds without progress after which a caller is let go; may be inf

    def handle(self, connection: BlockingConnection) -> None:
        """Serve one caller from first byte to last, for the iterative and threaded models."""

    def conversation(self, accepted: Accepted, watch: Watch) -> Conversation:
        """The same for one caller of the evented model, in turns that never wait."""

    def check(self, connected: socket) -> bool:
        """One round trip over a connected socket with a timeout: was the answer right?"""


class Server(NamedTuple):
    """One listener and all it takes to serve its callers."""

    listener: socket
    service: Service
    stop: Stop
    log: Log
    max_connections: int

"""What a service implements, so that a model can serve it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from socket import socket

    from runtime.blocking_connection import BlockingConnection
    from runtime.connection import Accepted
    from runtime.handler import Handler, Watch
    from runtime.log import Log


class BlockingService(Protocol):
    """A protocol as a function over one connection: all that the blocking models need."""

    name: str
    idle_timeout: float  # seconds without a byte after which a connection is closed; may be inf
    stall_timeout: float  # seconds in which a client must take some of the answer; may be inf

    def handle(self, connection: BlockingConnection) -> None:
        """Serve one connection from first byte to last."""


class Service(BlockingService, Protocol):
    """The same protocol for the evented model and for datagrams, too."""

    def handlers(self, watch: Watch, log: Log) -> Callable[[Accepted], Handler]:
        """Return a function that makes the handler of each connection of one event loop."""

    def answer(self, datagram: memoryview) -> memoryview | bytes:
        """Return the answer to a datagram. The datagram is overwritten by the next one."""

    def check(self, connected: socket) -> bool:
        """Make one round trip over a connected socket, and return whether the answer is right."""

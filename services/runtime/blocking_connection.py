"""The connection that the iterative and the threaded model pass to a service.

To the service it is a blocking socket. The socket itself does not block, because each wait also
ends at the idle timeout, the stall timeout or the drain deadline.
"""

import select
import time
from collections.abc import Callable
from contextlib import suppress
from socket import SHUT_RD, SHUT_WR

from runtime.connection import LINGER_S, Accepted, CloseReason, Connection
from runtime.counters import Counters
from runtime.shutdown import Shutdown

DISCARD_BYTES = 64 * 1024


class Closed(Exception):
    """The connection was closed before its service returned."""

    def __init__(self, reason: CloseReason) -> None:
        self.reason = reason


class BlockingConnection(Connection):
    """A connection over which a service receives and sends as if it blocked."""

    __slots__ = (
        *("_counters", "_idle_timeout", "_shutdown", "_stall_timeout"),
        *("has_unsent", "lingering", "on_lingering"),
    )

    has_unsent: bool

    def __init__(
        self,
        accepted: Accepted,
        shutdown: Shutdown,
        counters: Counters,
        idle_timeout: float,
        stall_timeout: float,
    ) -> None:
        super().__init__(accepted)
        self._shutdown = shutdown
        self._counters = counters
        self._idle_timeout = idle_timeout
        self._stall_timeout = stall_timeout
        self.has_unsent = False
        self.lingering = False  # the answer is sent, so it may make room for a new connection
        self.on_lingering: Callable[[], None] = lambda: None
        counters.opened(self)

    def receive_into(self, buffer: memoryview) -> int:
        """Receive at least a byte. Returns the number of bytes, 0 after the client's FIN."""
        due = time.monotonic() + self._idle_timeout
        size = self._receive_into(buffer, due, CloseReason.IDLE)
        self.received += size
        return size

    def send_all(self, data: memoryview | bytes) -> None:
        """Send all of the data, however slowly the client takes it."""
        self.has_unsent = True
        while data:
            try:
                size = self.socket.send(data)
            except BlockingIOError:
                self._wait_for_room()
                continue
            self.sent += size
            data = memoryview(data)[size:]
        self.has_unsent = False

    def close_in_stages(self) -> None:
        """Half-close, then discard input until the client closes too.

        A close while input is unread or still on its way would reset the connection, and could
        destroy the answer (RFC 9112 section 9.6).
        """
        self.socket.shutdown(SHUT_WR)
        due = time.monotonic() + LINGER_S
        discarded = memoryview(bytearray(DISCARD_BYTES))
        self.linger()
        while size := self._receive_into(discarded, due, CloseReason.LINGERED):
            self.received += size
            if not self.lingering:
                break
        if not self.lingering:
            raise Closed(CloseReason.LINGERED)

    def linger(self) -> None:
        """Note that the connection may be closed to make room for a new one."""
        self.lingering = True
        self._counters.lingers(self)
        self.on_lingering()

    def evict(self) -> None:
        """End the wait of another thread, as if the client had closed."""
        self.lingering = False
        with suppress(OSError):  # reset by the client meanwhile
            self.socket.shutdown(SHUT_RD)

    def _receive_into(self, buffer: memoryview, due: float, expired: CloseReason) -> int:
        """Receive at least a byte. Raises Closed(`expired`) at the monotonic time `due`."""
        while self._is_ready(select.POLLIN, due):
            with suppress(BlockingIOError):
                return self.socket.recv_into(buffer)
        raise Closed(expired)

    def _wait_for_room(self) -> None:
        """Wait until there is room to send. Raises Closed if the client stalls."""
        acknowledged = -1
        while acknowledged < (acknowledged := self.acknowledged()):
            if self._is_ready(select.POLLOUT, time.monotonic() + self._stall_timeout):
                return
        raise Closed(CloseReason.STALLED)

    def _is_ready(self, event: int, due: float) -> bool:
        """Wait for the poll event. Returns False at `due`. Raises Closed at the drain deadline."""
        while True:
            deadline = self._shutdown.deadline
            if time.monotonic() >= min(due, deadline):
                if due <= deadline:
                    return False
                raise Closed(CloseReason.DRAINED)
            if self._shutdown.wait({self.socket.fileno(): event}, min(due, deadline)):
                return True

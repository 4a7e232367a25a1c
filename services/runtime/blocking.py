"""The connection that the iterative and the threaded model hand to a service.

To the service it is a blocking socket. Beneath, every wait also ends with the service's idle
and stall timeouts and with the drain deadline, which is why the socket itself does not block.
"""

import select
import time
from collections.abc import Callable
from contextlib import suppress
from socket import SHUT_RD, SHUT_WR

from runtime.connection import LINGER_S, Accepted, Connection, Ending
from runtime.listening import NOT_NOW, NOT_NOW_PAUSE_S, accept, accept_queued
from runtime.service import BlockingService, Server

DISCARD_BYTES = 64 * 1024


class Ended(Exception):
    """The connection is over before its service was done; never leaves this module."""

    def __init__(self, ending: Ending) -> None:
        self.ending = ending


class BlockingConnection(Connection):
    """A caller that a service talks to with plain receive and send."""

    __slots__ = (
        "_idle_timeout",
        "_stall_timeout",
        "_stop",
        "_tally",
        "lingering",
        "on_lingering",
        "owed",
    )

    owed: bool

    def __init__(self, accepted: Accepted, server: Server[BlockingService]) -> None:
        super().__init__(accepted)
        self._stop = server.stop
        self._tally = server.tally
        self._idle_timeout = server.service.idle_timeout
        self._stall_timeout = server.service.stall_timeout
        self.owed = False
        self.lingering = False  # nothing is owed to it, so it may make room for a new caller
        self.on_lingering: Callable[[], None] = lambda: None
        server.tally.opened(self)

    def receive_into(self, buffer: memoryview) -> int:
        """Receive at least a byte; the number received, 0 once the caller has closed."""
        due = time.monotonic() + self._idle_timeout
        size = self._receive_into(buffer, due, Ending.IDLE)
        self.received += size
        return size

    def send_all(self, data: memoryview | bytes) -> None:
        """Send all of it, however slowly the caller takes it."""
        self.owed = True
        while data:
            try:
                size = self.socket.send(data)
            except BlockingIOError:
                self._wait_for_room()
                continue
            self.sent += size
            data = memoryview(data)[size:]
        self.owed = False

    def close_in_stages(self) -> None:
        """Say that all is sent, then throw input away until the caller closes too.

        Closing while input is unread, or still to come, would reset the connection and could
        destroy the answer on its way (RFC 9112 section 9.6).
        """
        self.socket.shutdown(SHUT_WR)
        due = time.monotonic() + LINGER_S
        discarded = memoryview(bytearray(DISCARD_BYTES))
        self.linger()
        while size := self._receive_into(discarded, due, Ending.LINGERED):
            self.received += size
            if not self.lingering:
                break
        if not self.lingering:
            raise Ended(Ending.LINGERED)

    def linger(self) -> None:
        """From now on the caller may be let go for a new one."""
        self.lingering = True
        self._tally.lingers(self)
        self.on_lingering()

    def let_go(self) -> None:
        """Have another thread's wait for the caller end now, as if it had closed."""
        self.lingering = False
        with suppress(OSError):  # reset by the caller meanwhile
            self.socket.shutdown(SHUT_RD)

    def _receive_into(self, buffer: memoryview, due: float, late: Ending) -> int:
        """Receive at least a byte; raise Ended(`late`) at time `due`."""
        while self._is_ready(select.POLLIN, due):
            with suppress(BlockingIOError):
                return self.socket.recv_into(buffer)
        raise Ended(late)

    def _wait_for_room(self) -> None:
        """Wait until there is room to send, as long as the caller goes on taking something."""
        taken = -1
        while taken < (taken := self.taken()):
            if self._is_ready(select.POLLOUT, time.monotonic() + self._stall_timeout):
                return
        raise Ended(Ending.STALLED)

    def _is_ready(self, event: int, due: float) -> bool:
        """Wait for the poll event; False at time `due`. Raises Ended at the drain deadline."""
        while True:
            deadline = self._stop.deadline
            if time.monotonic() >= min(due, deadline):
                if due <= deadline:
                    return False
                raise Ended(Ending.DRAINED)
            if self._stop.wait({self.socket.fileno(): event}, min(due, deadline)):
                return True


def converse(server: Server[BlockingService], connection: BlockingConnection) -> None:
    """Serve one caller to its end: one ending, one log line, nothing raised."""
    try:
        server.service.handle(connection)
        ending = Ending.DONE
    except Ended as ended:
        ending = ended.ending
    except (OSError, MemoryError) as error:
        ending = Ending.of(error)
    server.ended(connection, ending)


def next_caller(server: Server[BlockingService]) -> BlockingConnection | None:
    """Accept one caller; None if there is nobody, or nobody to be had now (after a pause)."""
    try:
        accepted = accept(server.listener)
    except OSError as error:
        if error.errno not in NOT_NOW:
            raise
        server.accept_failed(error)
        server.stop.wait({}, time.monotonic() + NOT_NOW_PAUSE_S)
        return None
    return accepted and BlockingConnection(accepted, server)


def last_callers(server: Server[BlockingService]) -> list[BlockingConnection]:
    """Accept whoever waits, and close the listener."""
    with server.listener as listener:
        return [BlockingConnection(accepted, server) for accepted in accept_queued(listener)]

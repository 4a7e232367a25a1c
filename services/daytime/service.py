"""Daytime (RFC 867): send the time on accept, throw input away, close."""

import time
from collections.abc import Callable
from datetime import datetime
from socket import SHUT_WR, socket

from daytime.protocol import FORMS, daytime_line
from daytime.settings import DaytimeSettings
from runtime.blocking import BlockingConnection
from runtime.connection import LINGER_S, Accepted, Ending
from runtime.conversation import Conversation, Watch
from runtime.logs import Log

# Longer than any line of ours, so that the check need not trust who answers.
MAX_LINE_BYTES = 256


class Daytime:
    """The daytime service."""

    name = "daytime"
    # No settings of their own: the caller need not say anything, and one line always fits into
    # a new connection's send buffer.
    idle_timeout = stall_timeout = LINGER_S

    def __init__(self, settings: DaytimeSettings) -> None:
        self._timezone = settings.timezone
        self._form = FORMS[settings.format]
        self._identity = settings.identity
        # A Unix time, and the line of that second.
        self._last: tuple[int | None, bytes] = (None, b"")

    def line(self) -> bytes:
        """The time now, and who tells it; made once a second."""
        second, line = self._last
        now = int(time.time())
        if now != second:
            when = datetime.fromtimestamp(now, self._timezone)
            line = daytime_line(self._form(when), self._identity)
            self._last = (now, line)
        return line

    def handle(self, connection: BlockingConnection) -> None:
        """Serve one caller, blocking."""
        connection.send_all(self.line())
        connection.close_in_stages()

    def conversations(self, watch: Watch, log: Log) -> Callable[[Accepted], Conversation]:
        """Serve the callers of an evented loop."""
        return lambda accepted: Answer(accepted, self.line())

    def answer(self, datagram: memoryview) -> bytes:
        """Any datagram is answered with the time, whatever is in it."""
        return self.line()

    def check(self, connected: socket) -> bool:
        """Whether one line of ASCII comes, and then the end."""
        with connected.makefile("rb") as stream:
            reply = stream.read(MAX_LINE_BYTES)
        line = reply.removesuffix(b"\r\n")
        return len(line) == len(reply) - 2 and line.isascii() and line.decode().isprintable()


class Answer(Conversation):
    """The line is sent in the first turn; all others wait for the caller to close.

    Closing at once would reset the connection if input is unread or still to come, and could
    destroy the line on its way (RFC 9112 section 9.6).
    """

    __slots__ = ("_line",)

    lingering = True
    _discarded = memoryview(bytearray(64 * 1024))

    def __init__(self, accepted: Accepted, line: bytes) -> None:
        super().__init__(accepted)
        self._line = line

    def begin(self, idle_at: float) -> None:
        """Send the line and close our side."""
        self.deadline = idle_at
        self.sent = self.socket.send(self._line)
        self.socket.shutdown(SHUT_WR)

    def turn(self, idle_at: float) -> Ending | None:
        """Throw input away, until there is no more to come."""
        size = self.socket.recv_into(self._discarded)
        self.received += size
        return None if size else Ending.DONE

    def late(self, now: float) -> Ending | None:
        """The caller has the line, but does not close."""
        return Ending.LINGERED

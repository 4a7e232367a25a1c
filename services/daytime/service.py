"""Daytime (RFC 867): send the time on accept, throw input away, close."""

from datetime import datetime
from socket import SHUT_WR, socket

from daytime.protocol import FORMS, daytime_line
from daytime.settings import DaytimeSettings
from runtime.blocking import BlockingConnection
from runtime.connection import LINGER_S, Accepted, Ending
from runtime.conversation import Conversation, Watch

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

    def line(self) -> bytes:
        """The time now, and who tells it."""
        return daytime_line(self._form(datetime.now(self._timezone)), self._identity)

    def handle(self, connection: BlockingConnection) -> None:
        """Serve one caller, blocking."""
        connection.send_all(self.line())
        connection.close_in_stages()

    def conversation(self, accepted: Accepted, watch: Watch) -> Conversation:
        """Serve one caller of the evented model."""
        return Answer(accepted, watch, self.line())

    def answer(self, datagram: bytes) -> bytes:
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

    def __init__(self, accepted: Accepted, watch: Watch, line: bytes) -> None:
        super().__init__(accepted, watch)
        self._line = line

    def begin(self, now: float) -> None:
        """Send the line and close our side."""
        self.deadline = now + LINGER_S
        self.sent = self.socket.send(self._line)
        self.socket.shutdown(SHUT_WR)

    def turn(self, now: float) -> Ending | None:
        """Throw input away, until there is no more to come."""
        size = self.socket.recv_into(self._discarded)
        self.received += size
        return None if size else Ending.DONE

    def late(self, now: float) -> Ending | None:
        """The caller has the line, but does not close."""
        return Ending.LINGERED

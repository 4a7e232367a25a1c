"""Daytime (RFC 867): send the time on accept, throw input away, close."""

import time
from collections.abc import Callable
from socket import SHUT_WR, socket

from daytime.protocol import FORMS, daytime_line
from daytime.settings import DaytimeSettings
from daytime.zones import local_time
from runtime.blocking import BlockingConnection
from runtime.connection import LINGER_S, Accepted, Ending
from runtime.conversation import READABLE, WRITABLE, Conversation, Watch
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
            line = daytime_line(self._form(local_time(now, self._timezone)), self._identity)
            self._last = (now, line)
        return line

    def handle(self, connection: BlockingConnection) -> None:
        """Serve one caller, blocking."""
        connection.send_all(self.line())
        connection.close_in_stages()

    def conversations(self, watch: Watch, log: Log) -> Callable[[Accepted], Conversation]:
        """Serve the callers of an evented loop."""
        return lambda accepted: Answer(accepted, self.line(), watch)

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
    """Send the line, then wait for the client to close.

    Closing at once would reset the connection if input is unread or still to come, and could
    destroy the line on its way (RFC 9112 section 9.6).
    """

    __slots__ = ("_unsent", "_watch")

    _discarded = memoryview(bytearray(64 * 1024))

    def __init__(self, accepted: Accepted, line: bytes, watch: Watch) -> None:
        super().__init__(accepted)
        self._unsent = line
        self._watch = watch

    @property
    def lingering(self) -> bool:
        """Whether the whole line is sent, so that the connection may make room for a new one."""
        return not self._unsent

    @property
    def owed(self) -> bool:
        """Whether a part of the line is still to be sent."""
        return bool(self._unsent)

    def begin(self, idle_at: float) -> None:
        """Send the line. If the kernel has no memory for it now, wait until it has."""
        self.deadline = idle_at
        self._send()
        if self._unsent:
            self._watch(self.socket, WRITABLE)

    def turn(self, idle_at: float) -> Ending | None:
        """Send what is left of the line, then throw input away until there is no more to come."""
        if self._unsent:
            self._send()
            if not self._unsent:
                self._watch(self.socket, READABLE)
            return None
        size = self.socket.recv_into(self._discarded)
        self.received += size
        return None if size else Ending.DONE

    def late(self, now: float) -> Ending | None:
        """The client has the line but does not close, or the line could not be sent."""
        return Ending.STALLED if self._unsent else Ending.LINGERED

    def _send(self) -> None:
        """Send as much as there is room for, and half-close after the last byte."""
        try:
            size = self.socket.send(self._unsent)
        except BlockingIOError:
            return
        self.sent += size
        self._unsent = self._unsent[size:]
        if not self._unsent:
            self.socket.shutdown(SHUT_WR)

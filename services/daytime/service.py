"""Daytime (RFC 867): send the time on accept, discard input, close."""

import time
from collections.abc import Callable
from socket import SHUT_WR, socket

from daytime.protocol import FORMS, daytime_line
from daytime.settings import DaytimeSettings
from daytime.zones import local_time
from runtime.blocking_connection import BlockingConnection
from runtime.connection import LINGER_S, Accepted, CloseReason
from runtime.handler import READABLE, WRITABLE, Handler, Watch
from runtime.log import Log

# Longer than any line of ours, so that the check is bounded whatever answers.
MAX_LINE_BYTES = 256


class Daytime:
    """The daytime service."""

    name = "daytime"
    # Not settings: the client need not send anything, and one line fits into the send buffer of a
    # new connection.
    idle_timeout = stall_timeout = LINGER_S

    def __init__(self, settings: DaytimeSettings) -> None:
        self._timezone = settings.timezone
        self._form = FORMS[settings.format]
        self._identity = settings.identity
        # A Unix time, and the line of that second.
        self._last: tuple[int | None, bytes] = (None, b"")

    def line(self) -> bytes:
        """Return the line of this second. It is made once a second."""
        second, line = self._last
        now = int(time.time())
        if now != second:
            line = daytime_line(self._form(local_time(now, self._timezone)), self._identity)
            self._last = (now, line)
        return line

    def handle(self, connection: BlockingConnection) -> None:
        """Send the line and close, over a blocking connection."""
        connection.send_all(self.line())
        connection.close_in_stages()

    def handlers(self, watch: Watch, log: Log) -> Callable[[Accepted], Handler]:
        """Return a function that makes the handler of each connection of an event loop."""
        return lambda accepted: DaytimeHandler(accepted, self.line(), watch)

    def answer(self, datagram: memoryview) -> bytes:
        """Return the line, whatever the datagram contains."""
        return self.line()

    def check(self, connected: socket) -> bool:
        """Return whether the server sends one line of ASCII and closes."""
        with connected.makefile("rb") as stream:
            reply = stream.read(MAX_LINE_BYTES)
        line = reply.removesuffix(b"\r\n")
        is_one_line = 0 < len(line) == len(reply) - 2
        return is_one_line and line.isascii() and line.decode().isprintable()


class DaytimeHandler(Handler):
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
    def has_unsent(self) -> bool:
        """Whether a part of the line is still to be sent."""
        return bool(self._unsent)

    def on_accepted(self, idle_at: float) -> None:
        """Send the line. If the kernel has no memory for it now, wait until it has."""
        self.deadline = idle_at
        self._send()
        if self._unsent:
            self._watch(self.socket, WRITABLE)

    def on_ready(self, idle_at: float) -> CloseReason | None:
        """Send what is left of the line, then discard input until the client closes."""
        if self._unsent:
            self._send()
            if not self._unsent:
                self._watch(self.socket, READABLE)
            return None
        size = self.socket.recv_into(self._discarded)
        self.received += size
        return None if size else CloseReason.DONE

    def on_expired(self, now: float) -> CloseReason | None:
        """The client has the line but does not close, or the line could not be sent."""
        return CloseReason.STALLED if self._unsent else CloseReason.LINGERED

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

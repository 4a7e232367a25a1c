"""Echo (RFC 862): send back whatever comes, until the caller has closed its side."""

import os
import sys
from socket import SHUT_WR, socket

from echo.settings import EchoSettings
from runtime.blocking import BlockingConnection
from runtime.connection import Accepted, Ending
from runtime.conversation import READABLE, WRITABLE, Conversation, Watch
from runtime.listening import address_text
from runtime.logs import Sink

BUFFER_BYTES = 64 * 1024

# Bytes on one printed line: four characters each at most, and a line stays below 4 KiB.
PRINT_BYTES = 512


class Echo:
    """The echo service."""

    name = "echo"

    def __init__(self, settings: EchoSettings) -> None:
        self.idle_timeout = settings.idle_timeout
        self.stall_timeout = settings.stall_timeout
        self._printed = Sink.of(sys.stderr) if settings.print else None

    def handle(self, connection: BlockingConnection) -> None:
        """Serve one caller, blocking: a caller who does not read is not read from either."""
        buffer = memoryview(bytearray(BUFFER_BYTES))
        while size := connection.receive_into(buffer):
            if self._printed:
                self._print(self._printed, connection, bytes(buffer[:size]))
            connection.send_all(buffer[:size])

    def conversation(self, accepted: Accepted, watch: Watch) -> Conversation:
        """Serve one caller of the evented model."""
        return Exchange(accepted, watch, self.idle_timeout, self.stall_timeout)

    def answer(self, datagram: bytes) -> bytes:
        """A datagram goes back as it came, an empty one too."""
        return datagram

    def check(self, connected: socket) -> bool:
        """Whether what is sent comes back, and then the end."""
        sent = os.urandom(16)
        connected.sendall(sent)
        connected.shutdown(SHUT_WR)
        with connected.makefile("rb") as stream:
            return stream.read(len(sent) + 1) == sent

    def _print(self, sink: Sink, connection: BlockingConnection, data: bytes) -> None:
        peer = address_text(connection.peer)
        for start in range(0, len(data), PRINT_BYTES):
            shown = data[start : start + PRINT_BYTES].decode("latin-1").encode("unicode_escape")
            sink.write(f"{peer} {shown.decode('ascii')}")


class Exchange(Conversation):
    """A turn receives and sends once. What the caller does not take is kept, and nothing more
    is read until it is gone: so a caller costs one buffer at most.
    """

    __slots__ = ("_idle_timeout", "_stall_timeout", "_taken", "_unsent")

    _buffer = memoryview(bytearray(BUFFER_BYTES))  # for all: it holds nothing between turns

    def __init__(
        self, accepted: Accepted, watch: Watch, idle_timeout: float, stall_timeout: float
    ) -> None:
        super().__init__(accepted, watch)
        self._idle_timeout = idle_timeout
        self._stall_timeout = stall_timeout
        self._taken = -1  # what the caller had taken when it was last looked at
        self._unsent = memoryview(b"")

    def begin(self, now: float) -> None:
        """The caller speaks first."""
        self.deadline = now + self._idle_timeout

    def turn(self, now: float) -> Ending | None:
        """Send what is left, or receive and send back."""
        if self._unsent:
            self._send_rest(now)
            return None
        size = self.socket.recv_into(self._buffer)
        if not size:
            return Ending.DONE
        self.received += size
        try:
            sent = self.socket.send(self._buffer[:size])
        except BlockingIOError:
            sent = 0
        self.sent += sent
        self.deadline = now + self._idle_timeout
        if sent < size:
            self._unsent = memoryview(bytes(self._buffer[sent:size]))
            self.wait_for(WRITABLE)
            self._watch_caller(now)
        return None

    def late(self, now: float) -> Ending | None:
        """The caller has been silent, or takes nothing of what waits for it, or merely little."""
        if not self._unsent:
            return Ending.IDLE
        before, self._taken = self._taken, self.taken()
        if self._taken == before:
            return Ending.STALLED
        self.deadline = now + self._stall_timeout
        return None

    def _send_rest(self, now: float) -> None:
        sent = self.socket.send(self._unsent)
        self.sent += sent
        self._unsent = self._unsent[sent:]
        if self._unsent:
            self._watch_caller(now)
        else:
            self.deadline = now + self._idle_timeout
            self.wait_for(READABLE)

    def _watch_caller(self, now: float) -> None:
        """Have the next sweep look at what the caller takes: a look is dearer than a turn."""
        self.deadline = now
        self._taken = -1

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
        return Exchange(accepted, watch, self.idle_timeout)

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

    __slots__ = ("_idle_timeout", "_unsent")

    _buffer = memoryview(bytearray(BUFFER_BYTES))  # for all: it holds nothing between turns

    def __init__(self, accepted: Accepted, watch: Watch, idle_timeout: float) -> None:
        super().__init__(accepted, watch)
        self._idle_timeout = idle_timeout
        self._unsent = memoryview(b"")

    def begin(self, now: float) -> None:
        """The caller speaks first."""
        self.deadline = now + self._idle_timeout

    def turn(self, now: float) -> Ending | None:
        """Send what is left, or receive and send back."""
        data = self._unsent
        if not data:
            size = self.socket.recv_into(self._buffer)
            if not size:
                return Ending.DONE
            self.received += size
            data = self._buffer[:size]
        try:
            sent = self.socket.send(data)
        except BlockingIOError:
            sent = 0
        self.sent += sent
        self.deadline = now + self._idle_timeout
        if sent < len(data):
            self._keep(data[sent:])
        elif self._unsent:
            self._unsent = memoryview(b"")
            self.wait_for(READABLE)
        return None

    def _keep(self, rest: memoryview) -> None:
        if self._unsent:
            self._unsent = rest
        else:
            self._unsent = memoryview(bytes(rest))
            self.wait_for(WRITABLE)

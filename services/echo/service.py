"""Echo (RFC 862): send back whatever comes, until the caller has closed its side."""

from __future__ import annotations

import os
import sys
from socket import SHUT_WR
from typing import TYPE_CHECKING

from runtime.listening import address_text
from runtime.logs import Sink

if TYPE_CHECKING:
    from collections.abc import Callable
    from socket import socket

    from echo.settings import EchoSettings
    from runtime.blocking import BlockingConnection
    from runtime.connection import Accepted
    from runtime.conversation import Conversation, Watch
    from runtime.logs import Log

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

    def conversations(self, watch: Watch, log: Log) -> Callable[[Accepted], Conversation]:
        """Serve the callers of an evented loop."""
        from echo.exchange import Exchanges  # which only Linux can run

        return Exchanges(self.stall_timeout, watch, log)

    def answer(self, datagram: memoryview) -> memoryview:
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

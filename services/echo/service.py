"""Echo (RFC 862): send back all that is received, until the client half-closes."""

from __future__ import annotations

import os
import sys
from socket import SHUT_WR
from typing import TYPE_CHECKING

from runtime.log import Sink
from runtime.tcp import address_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from socket import socket

    from echo.settings import EchoSettings
    from runtime.blocking_connection import BlockingConnection
    from runtime.connection import Accepted
    from runtime.handler import Handler, Watch
    from runtime.log import Log

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
        """Echo over a blocking connection. Nothing is received while the client does not read."""
        buffer = memoryview(bytearray(BUFFER_BYTES))
        while size := connection.receive_into(buffer):
            if self._printed:
                self._print(self._printed, connection, bytes(buffer[:size]))
            connection.send_all(buffer[:size])

    def handlers(self, watch: Watch, log: Log) -> Callable[[Accepted], Handler]:
        """Return a function that makes the handler of each connection of an event loop."""
        from echo.handler import EchoHandlers  # it needs Linux

        return EchoHandlers(self.stall_timeout, watch, log)

    def answer(self, datagram: memoryview) -> memoryview:
        """Return the datagram itself, an empty one too."""
        return datagram

    def check(self, connected: socket) -> bool:
        """Return whether the bytes that are sent come back, and then the end."""
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

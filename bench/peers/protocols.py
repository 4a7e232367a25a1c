"""The peers on an event loop: protocols.py asyncio|uvloop echo|daytime|udp PORT.

Echo is the protocol that costs least on each: the transports of asyncio allocate a buffer for
every receive unless a BufferedProtocol brings one, and uvloop has one of its own. While a caller
does not take what was sent to it, nothing is read from it. daytime closes plainly.
"""

import asyncio
import socket
import sys
import time
from typing import Any

BUFFER = memoryview(bytearray(256 * 1024))  # for all: nothing stays in it between two callbacks
BACKLOG = 4096


class Backpressure(asyncio.BaseProtocol):
    """Read only from those who take what they get."""

    def connection_made(self, transport: Any) -> None:
        """Keep the transport."""
        self.transport = transport

    def pause_writing(self) -> None:
        """The caller does not take enough."""
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        """The caller does again."""
        self.transport.resume_reading()


class Echo(Backpressure, asyncio.Protocol):
    """What comes goes back."""

    def data_received(self, data: bytes) -> None:
        """Send it back."""
        self.transport.write(data)


class BufferedEcho(Backpressure, asyncio.BufferedProtocol):
    """What comes goes back."""

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where to receive."""
        return BUFFER

    def buffer_updated(self, nbytes: int) -> None:
        """Send it back: a copy, since the transport may have to keep it."""
        self.transport.write(bytes(BUFFER[:nbytes]))


class Daytime(asyncio.Protocol):
    """The time, and the end."""

    def connection_made(self, transport: Any) -> None:
        """Send and close."""
        transport.write(time.strftime("%a %b %e %H:%M:%S UTC %Y\r\n", time.gmtime()).encode())
        transport.close()


class EchoDatagrams(asyncio.DatagramProtocol):
    """A datagram in, the same datagram out."""

    def connection_made(self, transport: Any) -> None:
        """Keep the transport."""
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """Send it back."""
        self.transport.sendto(data, addr)


def bound(kind: socket.SocketKind, port: int) -> socket.socket:
    """A dual-stack socket."""
    opened = socket.socket(socket.AF_INET6, kind)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    opened.bind(("::", port))
    return opened


async def serve(echo: type[asyncio.BaseProtocol], mode: str, port: int) -> None:
    """Serve for ever."""
    loop = asyncio.get_running_loop()
    if mode == "udp":
        await loop.create_datagram_endpoint(EchoDatagrams, sock=bound(socket.SOCK_DGRAM, port))
    else:
        protocol = {"echo": echo, "daytime": Daytime}[mode]
        listener = bound(socket.SOCK_STREAM, port)
        await loop.create_server(protocol, sock=listener, backlog=BACKLOG)
    await asyncio.Event().wait()


def main(kind: str, mode: str, port: str) -> None:
    """Serve on an event loop of that kind."""
    if kind == "uvloop":
        import uvloop

        uvloop.run(serve(Echo, mode, int(port)))
    else:
        asyncio.run(serve(BufferedEcho, mode, int(port)))


if __name__ == "__main__":
    main(*sys.argv[1:])

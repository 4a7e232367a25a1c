"""The peers on an event loop: protocols.py asyncio|uvloop echo|daytime|udp PORT.

A BufferedProtocol, whose one buffer all connections share, since nothing stays in it between two
callbacks. While a caller does not take what was sent to it, nothing is read from it.
"""

import asyncio
import socket
import sys
import time

BUFFER = memoryview(bytearray(256 * 1024))
BACKLOG = 4096


class Echo(asyncio.BufferedProtocol):
    """What comes goes back."""

    def connection_made(self, transport):
        self.transport = transport
        self.write = transport.write

    def get_buffer(self, sizehint):
        return BUFFER

    def buffer_updated(self, size):
        # A copy: a transport may keep what it cannot send at once.
        self.write(bytes(BUFFER[:size]))

    def pause_writing(self):
        self.transport.pause_reading()

    def resume_writing(self):
        self.transport.resume_reading()


class Daytime(asyncio.Protocol):
    """The time, and a plain close."""

    def connection_made(self, transport):
        transport.write(time.strftime("%a %b %e %H:%M:%S UTC %Y\r\n", time.gmtime()).encode())
        transport.close()


class EchoDatagrams(asyncio.DatagramProtocol):
    """A datagram in, the same datagram out."""

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        self.transport.sendto(data, address)


def bound(kind, port):
    """A dual-stack socket."""
    opened = socket.socket(socket.AF_INET6, kind)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    opened.bind(("::", port))
    return opened


async def serve(mode, port):
    """Serve for ever."""
    loop = asyncio.get_running_loop()
    if mode == "udp":
        await loop.create_datagram_endpoint(EchoDatagrams, sock=bound(socket.SOCK_DGRAM, port))
    else:
        protocol = {"echo": Echo, "daytime": Daytime}[mode]
        listener = bound(socket.SOCK_STREAM, port)
        await loop.create_server(protocol, sock=listener, backlog=BACKLOG)
    await asyncio.Event().wait()


def main(kind, mode, port):
    """Serve on the event loop of that kind."""
    if kind == "uvloop":
        from uvloop import run
    else:
        from asyncio import run
    run(serve(mode, int(port)))


if __name__ == "__main__":
    main(*sys.argv[1:])

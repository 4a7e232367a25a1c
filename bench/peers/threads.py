"""The peer on `socketserver`, a thread for each caller: threads.py echo|daytime|udp PORT."""

import socket
import socketserver
import sys
import time
from contextlib import suppress

BUFFER_BYTES = 256 * 1024


class Echo(socketserver.BaseRequestHandler):
    """What comes goes back."""

    def setup(self) -> None:
        """Send small messages at once."""
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def handle(self) -> None:
        """Serve one caller."""
        buffer = memoryview(bytearray(BUFFER_BYTES))
        with suppress(ConnectionResetError):
            while size := self.request.recv_into(buffer):
                self.request.sendall(buffer[:size])


class Daytime(socketserver.BaseRequestHandler):
    """The time, and a plain close."""

    def handle(self) -> None:
        """Serve one caller."""
        line = time.strftime("%a %b %e %H:%M:%S UTC %Y\r\n", time.gmtime())
        self.request.sendall(line.encode())


class EchoDatagrams(socketserver.BaseRequestHandler):
    """A datagram in, the same datagram out."""

    def handle(self) -> None:
        """Answer one datagram."""
        data, asked = self.request
        asked.sendto(data, self.client_address)


class Streams(socketserver.ThreadingTCPServer):
    """A thread for each connection, over IPv6 and IPv4."""

    address_family = socket.AF_INET6
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 4096

    def server_bind(self) -> None:
        """Bind for both families."""
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


class Datagrams(socketserver.UDPServer):
    """One datagram after the other, over IPv6 and IPv4."""

    address_family = socket.AF_INET6
    max_packet_size = 65535

    def server_bind(self) -> None:
        """Bind for both families."""
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


def main(mode: str, port: str) -> None:
    """Serve for ever."""
    address = ("::", int(port))
    if mode == "udp":
        Datagrams(address, EchoDatagrams).serve_forever()
    else:
        Streams(address, {"echo": Echo, "daytime": Daytime}[mode]).serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])

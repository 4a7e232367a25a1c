"""The peer on `socketserver`, a thread for each caller: threads.py echo|daytime|udp PORT."""

import socket
import socketserver
import sys
import time

BUFFER_BYTES = 256 * 1024


class Echo(socketserver.BaseRequestHandler):
    """What comes goes back."""

    def setup(self):
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def handle(self):
        buffer = memoryview(bytearray(BUFFER_BYTES))
        try:
            while size := self.request.recv_into(buffer):
                self.request.sendall(buffer[:size])
        except ConnectionResetError:
            pass


class Daytime(socketserver.BaseRequestHandler):
    """The time, and a plain close."""

    def handle(self):
        line = time.strftime("%a %b %e %H:%M:%S UTC %Y\r\n", time.gmtime())
        self.request.sendall(line.encode())


class EchoDatagrams(socketserver.BaseRequestHandler):
    """A datagram in, the same datagram out."""

    def handle(self):
        data, asked = self.request
        asked.sendto(data, self.client_address)


class DualStack:
    """IPv4 and IPv6 on one socket."""

    address_family = socket.AF_INET6
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 4096
    max_packet_size = 65535

    def server_bind(self):
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


class Streams(DualStack, socketserver.ThreadingTCPServer):
    """A thread for each connection."""


class Datagrams(DualStack, socketserver.UDPServer):
    """One datagram after the other."""


SERVERS = {"echo": (Streams, Echo), "daytime": (Streams, Daytime), "udp": (Datagrams, EchoDatagrams)}


def main(mode, port):
    """Serve for ever."""
    server, handler = SERVERS[mode]
    server(("::", int(port)), handler).serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])

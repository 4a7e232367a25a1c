"""UDP: one datagram to the target, and the one that answers it."""

from __future__ import annotations

import socket
import sys
from contextlib import suppress

from probes.core.outcome import Failure
from probes.core.result import Phase
from probes.net.resolver import lookup
from probes.net.sockets import ConnectedSocket, Context, connected_socket

# Linux's IP_RECVERR and IPV6_RECVERR, which Python names from 3.14 on.
RECEIVE_ERRORS = {
    socket.AF_INET: (socket.IPPROTO_IP, 11),
    socket.AF_INET6: (socket.IPPROTO_IPV6, 25),
}


class Association(ConnectedSocket):
    """A UDP socket connected to one address: a datagram from any other is not for it."""

    def ask(self, datagram: bytes) -> bytes:
        """Send `datagram` once and return the one that answers; raises Failure."""
        try:
            self.send(datagram)
            return self.receive()
        except Failure as failure:
            raise failure.after("no datagram came back") from failure


def open_association(context: Context) -> Association:
    """Look the target up, and take the best of its addresses; raises Failure.

    To connect a UDP socket sends nothing, so it is no phase, and it cannot tell whether another
    address would do better. Each try has a socket of its own, since kube-proxy goes on sending the
    datagrams of one socket to the same server, dead or alive.
    """
    address = lookup(context.target, context.family, socket.SOCK_DGRAM, context.deadline)[0]
    context.trace.address = str(address)
    context.trace.enter(Phase.ANSWER)
    connected = connected_socket(address, socket.SOCK_DGRAM, context.deadline)
    receive_errors(connected)
    return Association(connected, context.deadline)


def receive_errors(asking: socket.socket) -> None:
    """Have the socket tell of every ICMP error about what it sent."""
    # RFC 1122 section 4.1.3.3: the application gets all ICMP errors. Linux keeps those to itself
    # that may pass, host or net unreachable, unless it is asked for them. Without, it is TIMEOUT.
    if sys.platform == "linux":
        with suppress(OSError):
            asking.setsockopt(*RECEIVE_ERRORS[asking.family], 1)

"""The UDP side of a service: one datagram in, one datagram out, or a counted drop.

What cannot be sent at once is dropped and never kept, so a flood costs no memory.
"""

import errno
import select
import socket
import struct
from socket import (
    AF_INET,
    AF_INET6,
    IPPROTO_IP,
    IPPROTO_IPV6,
    IPV6_PKTINFO,
    SOCK_DGRAM,
    SOL_SOCKET,
)
from time import monotonic_ns
from typing import Any

from runtime.counters import Counters
from runtime.options import Option, Refused, apply, number, require
from runtime.service import Service
from runtime.shutdown import Shutdown
from runtime.tcp import sockaddr
from runtime.udp_filter import UdpFilter

IP_PKTINFO = number("IP_PKTINFO")
IP_PMTUDISC_OMIT = 5  # Linux's value, for which Python has no name before 3.14

# An answer that is too large for the path is fragmented, not lost: it is not sent again, so path
# MTU discovery could not help. Nor can a forged ICMP error do harm.
_IPV4: tuple[Option, ...] = ((IPPROTO_IP, "IP_MTU_DISCOVER", IP_PMTUDISC_OMIT),)

# The send buffer is full, or the queue of the network interface is.
NO_ROOM = {errno.EAGAIN, errno.ENOBUFS}

# The kernel was built without IPv6, or it was turned off.
NO_IPV6 = {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL}

# A datagram of IPv4 has at most 65,507 bytes of data, one of IPv6 20 more.
MAX_DATAGRAM_BYTES = 65_535
PACKET_INFO_BYTES = socket.CMSG_SPACE(20)  # struct in6_pktinfo; in_pktinfo is smaller

# Cached local addresses; a link-local address counts once for each interface.
MAX_ADDRESSES = 256

# Datagrams answered in one callback, so that a flood does not starve TCP connections.
BATCH = 16

# The receive buffer holds 212,992 bytes by default (net.core.rmem_default).
MAX_QUEUED = 1000


ReplyInfo = list[tuple[int, int, bytes]]


class NotUnicast(Exception):
    """A datagram was sent to a multicast or broadcast address, and must not be answered."""


def open_sockets(host: str, port: int, family: str, refused: Refused) -> list[socket.socket]:
    """Open bound UDP sockets, one for each family that `open_listener` would serve.

    One dual-stack socket would do, but its every datagram costs more. Raises OSError.
    """
    wildcard = host in ("", "::") and family == "any"
    hosts = ["0.0.0.0", "::"] if wildcard else [host or ("::" if family == "6" else "0.0.0.0")]
    opened: list[socket.socket] = []
    try:
        for each in hosts:
            try:
                opened.append(_open(sockaddr(each, port), refused))
            except OSError as error:
                if not (wildcard and each == "::" and error.errno in NO_IPV6):
                    raise
    except BaseException:
        for already in opened:
            already.close()
        raise
    return opened


def open_sibling(first: socket.socket, refused: Refused) -> socket.socket:
    """Open one more socket on the same address; see `tcp.open_sibling`."""
    require(first, SOL_SOCKET, "SO_REUSEPORT", 1)
    return _open(first.getsockname(), refused, is_sibling=True)


def _open(address: Any, refused: Refused, *, is_sibling: bool = False) -> socket.socket:
    is_v6 = ":" in address[0]
    opened = socket.socket(AF_INET6 if is_v6 else AF_INET, SOCK_DGRAM)
    try:
        if is_v6:
            require(opened, IPPROTO_IPV6, "IPV6_V6ONLY", 1)
            require(opened, IPPROTO_IPV6, "IPV6_RECVPKTINFO", 1)
        else:
            require(opened, IPPROTO_IP, "IP_PKTINFO", 1)
            apply(opened, _IPV4, refused)
        if is_sibling:
            require(opened, SOL_SOCKET, "SO_REUSEPORT", 1)
        opened.setblocking(False)
        opened.bind(address)
    except BaseException:
        opened.close()
        raise
    return opened


def reply_info(level: int, info: bytes) -> tuple[int, int, bytes]:
    """The control message that sends an answer from the address that was asked.

    RFC 1122 section 4.1.3.5. `info` is the in_pktinfo or in6_pktinfo of the question, as ip(7)
    and RFC 3542 section 6.1 have it. Raises NotUnicast.
    """
    if level == IPPROTO_IPV6:
        if info[0] == 0xFF:
            raise NotUnicast
        return level, IPV6_PKTINFO, info  # the interface too: a link-local address needs it
    _, ours, asked = struct.unpack("=i4s4s", info)
    if asked != ours:
        raise NotUnicast
    return level, IP_PKTINFO, struct.pack("=i4s4s", 0, ours, bytes(4))  # routing is the kernel's


class UdpSockets:
    """The UDP sockets of a service, by descriptor."""

    def __init__(
        self, sockets: list[socket.socket], service: Service, rate: int, counters: Counters
    ):
        self.sockets = {each.fileno(): each for each in sockets}
        self._service = service
        self._filter = UdpFilter(rate, own_port=sockets[0].getsockname()[1])
        self._counters = counters
        self._buffer = memoryview(bytearray(MAX_DATAGRAM_BYTES))  # holds nothing between datagrams
        self._reply_infos: dict[bytes, ReplyInfo] = {}  # by the packet info of the question

    def on_ready(self, descriptor: int, limit: int = BATCH) -> None:
        """Answer the datagrams in a socket's queue. Never blocks, never raises OSError."""
        receiver, buffer, now = self.sockets[descriptor], self._buffer, monotonic_ns()
        received = received_bytes = sent = sent_bytes = 0
        for _ in range(limit):
            try:
                size, control, _, peer = receiver.recvmsg_into([buffer], PACKET_INFO_BYTES)
            except BlockingIOError:
                break
            except OSError:  # an ICMP error for an earlier answer, which needs no action
                continue
            received += 1
            received_bytes += size
            reason = self._filter.drop_reason(peer[0], peer[1], now)
            if not reason:
                answer = self._service.answer(buffer[:size])
                try:
                    receiver.sendmsg([answer], self._reply_info(control), 0, peer)
                    sent += 1
                    sent_bytes += len(answer)
                    continue
                except NotUnicast:
                    reason = "not_unicast"
                except OSError as error:
                    reason = "send_buffer" if error.errno in NO_ROOM else "not_sent"
            self._counters.drops[reason] += 1
        self._counters.moved_datagrams(received, received_bytes, sent, sent_bytes)

    def serve(self, shutdown: Shutdown) -> None:
        """Answer datagrams until the drain begins. For the thread beside a blocking model."""
        events = dict.fromkeys(self.sockets, select.POLLIN)
        while not shutdown.draining:
            for descriptor in shutdown.wait(events):
                self.on_ready(descriptor)
        self.finish()

    def finish(self) -> None:
        """Answer what is queued, then close. The kernel answers later datagrams (ICMP)."""
        for descriptor, each in self.sockets.items():
            self.on_ready(descriptor, MAX_QUEUED)
            each.close()
        self.sockets = {}

    def _reply_info(self, control: list[tuple[int, int, bytes]]) -> ReplyInfo:
        """Return the control messages of the answer, cached for each local address."""
        info = control[0][2]
        found = self._reply_infos.get(info)
        if not found:
            found = [reply_info(control[0][0], info)]
            if len(self._reply_infos) == MAX_ADDRESSES:
                self._reply_infos.clear()
            self._reply_infos[info] = found
        return found

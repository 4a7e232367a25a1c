"""An accepted connection as every model keeps it, and the reasons for which it is closed."""

import errno
import socket
import struct
import sys
import time
from contextlib import suppress
from enum import Enum
from socket import IPPROTO_TCP, SO_LINGER, SOL_SOCKET
from typing import Any

from runtime.options import read

Accepted = tuple[socket.socket, Any]  # from accept(): a connected socket, the peer's address

# How long a service that closes first waits for the client's FIN. RFC 9112 section 9.6
# gives the reason for waiting at all; nginx waits up to 5 s, Apache httpd 2 s.
LINGER_S = 2.0

# tcpi_bytes_acked, a field of struct tcp_info (linux/tcp.h), to which fields are only appended.
_BYTES_ACKED = struct.Struct("=120xQ")

# struct linger of socket(7): its default, and a close that resets the connection.
NO_LINGER, RESET_AT_CLOSE = struct.pack("ii", 0, 0), struct.pack("ii", 1, 0)

_RESET = {errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED, errno.ENOTCONN}


class CloseReason(Enum):
    """Why a connection was closed: the field `ended` of its log line."""

    DONE = "done"  # both directions were closed in order
    IDLE = "idle"  # nothing moved for the idle timeout
    STALLED = "stalled"  # the client took nothing of the answer for the stall timeout
    LINGERED = "lingered"  # whole answer sent, but the client did not close
    RESET = "reset"  # the client reset the connection
    LOST = "lost"  # the network gave up on the client, or there was no memory for it
    DRAINED = "drained"  # closed at the drain deadline

    @classmethod
    def of(cls, error: OSError | MemoryError) -> "CloseReason":
        """Return the reason for a failed socket call, or for a lack of memory for a connection."""
        return cls.RESET if getattr(error, "errno", None) in _RESET else cls.LOST


class Connection:
    """One connection: its socket, the client's address, and the counters of its log line."""

    __slots__ = ("accepted_at", "peer", "received", "sent", "socket")

    def __init__(self, accepted: Accepted) -> None:
        self.socket, self.peer = accepted
        self.socket.setblocking(False)
        self.accepted_at = time.monotonic()
        self.received = 0
        self.sent = 0

    def acknowledged(self) -> int:
        """Return how many bytes the client's TCP has acknowledged, 0 if the system has no counter.

        The counter separates a slow reader from one that does not read: there is room to send
        again only when the kernel's buffer is half empty, which can take a slow reader minutes.
        """
        try:
            return bytes_acked(self.socket)
        except OSError:
            return 0

    @property
    def has_unsent(self) -> bool:
        """Whether a part of the answer is not sent yet."""
        return False

    def close(self) -> None:
        """Close the socket, with a reset if a part of the answer is not sent.

        An orderly close would make a part of the answer look like the whole. And the kernel would
        keep the data for a stalled client until TCP_USER_TIMEOUT.
        """
        if self.has_unsent:
            with suppress(OSError):  # reset by the client meanwhile, or refused by the system
                self.socket.setsockopt(SOL_SOCKET, SO_LINGER, RESET_AT_CLOSE)
        self.socket.close()


def bytes_acked(connected: socket.socket) -> int:
    """Return how many bytes the peer's TCP has acknowledged. Raises OSError without TCP_INFO."""
    if sys.platform != "linux":
        raise OSError(errno.ENOPROTOOPT, "the fields of TCP_INFO are other ones")
    info = read(connected, IPPROTO_TCP, "TCP_INFO", _BYTES_ACKED.size)
    return int(_BYTES_ACKED.unpack(info)[0])

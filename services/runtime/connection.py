"""What every model keeps of a caller, and the ways in which a caller can end."""

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

# How long a service that closes first waits for the caller's own close. RFC 9112 section 9.6
# gives the reason for waiting at all; nginx waits up to 5 s, Apache httpd 2 s.
LINGER_S = 2.0

# tcpi_bytes_acked, a field of struct tcp_info (linux/tcp.h), to which fields are only appended.
_BYTES_ACKED = struct.Struct("=120xQ")

# struct linger of socket(7): its default, and a close that resets the connection.
NO_LINGER, RESET_AT_CLOSE = struct.pack("ii", 0, 0), struct.pack("ii", 1, 0)

_RESET = {errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED, errno.ENOTCONN}


class Ending(Enum):
    """How a connection ended: one word of its log line."""

    DONE = "done"  # both directions were closed in order
    IDLE = "idle"  # nothing moved for the idle timeout
    STALLED = "stalled"  # the caller took nothing of what waits for it for the stall timeout
    LINGERED = "lingered"  # whole answer sent, but the caller did not close
    RESET = "reset"  # the caller reset the connection
    LOST = "lost"  # the network gave up on the caller, or there was no memory for it
    DRAINED = "drained"  # cut at the drain deadline

    @classmethod
    def of(cls, error: OSError | MemoryError) -> "Ending":
        """The ending that a failed socket call stands for, or a lack of memory for one caller."""
        return cls.RESET if getattr(error, "errno", None) in _RESET else cls.LOST


class Connection:
    """One caller: its socket, its address, and what the log line will say of it."""

    __slots__ = ("accepted_at", "peer", "received", "sent", "socket")

    def __init__(self, accepted: Accepted) -> None:
        self.socket, self.peer = accepted
        self.socket.setblocking(False)
        self.accepted_at = time.monotonic()
        self.received = 0
        self.sent = 0

    def taken(self) -> int:
        """Return how many bytes the caller's TCP has confirmed, 0 if the system does not say.

        This tells a slow reader from one who does not read: there is room to send again only
        once the kernel's buffer is half empty, which can take a slow one minutes.
        """
        try:
            return bytes_acked(self.socket)
        except OSError:
            return 0

    @property
    def owed(self) -> bool:
        """Whether there is something that the caller was still to be sent."""
        return False

    def close(self) -> None:
        """Close the socket; with a reset where something is owed.

        An orderly close would pass a part of the answer off as the whole. And it would leave what
        waits for a stalled caller to the kernel, which keeps it until TCP_USER_TIMEOUT.
        """
        if self.owed:
            with suppress(OSError):  # reset by the caller meanwhile, or refused by the system
                self.socket.setsockopt(SOL_SOCKET, SO_LINGER, RESET_AT_CLOSE)
        self.socket.close()


def bytes_acked(connected: socket.socket) -> int:
    """Return how many bytes the peer's TCP has confirmed. Raises OSError without TCP_INFO."""
    if sys.platform != "linux":
        raise OSError(errno.ENOPROTOOPT, "the fields of TCP_INFO are other ones")
    info = read(connected, IPPROTO_TCP, "TCP_INFO", _BYTES_ACKED.size)
    return int(_BYTES_ACKED.unpack(info)[0])

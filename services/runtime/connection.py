"""What every model keeps of a caller, and the ways in which a caller can end."""

import errno
import time
from enum import Enum
from socket import socket
from typing import Any

Accepted = tuple[socket, Any]  # what accept() gives: a connected socket and the peer's address

# How long a service that closes first waits for the caller's own close. RFC 9112 section 9.6
# gives the reason for waiting at all; nginx waits up to 5 s, Apache httpd 2 s.
LINGER_S = 2.0

_RESET = {errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED, errno.ENOTCONN}


class Ending(Enum):
    """How a connection ended: one word of its log line."""

    DONE = "done"  # both directions were closed in order
    IDLE = "idle"  # nothing moved for the idle timeout
    LINGERED = "lingered"  # whole answer sent, but the caller did not close
    RESET = "reset"  # the caller reset the connection
    LOST = "lost"  # the network gave up on the caller
    DRAINED = "drained"  # cut at the drain deadline

    @classmethod
    def of(cls, error: OSError) -> "Ending":
        """The ending that a failed socket call stands for."""
        return cls.RESET if error.errno in _RESET else cls.LOST


class Connection:
    """One caller: its socket, its address, and what the log line will say of it."""

    __slots__ = ("accepted_at", "peer", "received", "sent", "socket")

    def __init__(self, accepted: Accepted) -> None:
        self.socket, self.peer = accepted
        self.socket.setblocking(False)
        self.accepted_at = time.monotonic()
        self.received = 0
        self.sent = 0

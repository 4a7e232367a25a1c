"""The connection that the evented model passes to a service: its state between callbacks."""

import select
from collections.abc import Callable
from socket import socket

from runtime.connection import Accepted, CloseReason, Connection

# epoll's events have poll's values, and this module is read on systems without epoll too.
READABLE = select.POLLIN
WRITABLE = select.POLLOUT

Watch = Callable[[socket, int], None]  # call back when the socket is READABLE or WRITABLE


class Handler(Connection):
    """A connection that a service serves in callbacks, none of which may block."""

    __slots__ = ("deadline",)

    def __init__(self, accepted: Accepted) -> None:
        super().__init__(accepted)
        self.deadline = 0.0  # monotonic seconds

    @property
    def lingering(self) -> bool:
        """Whether the answer is sent, so that the connection may make room for a new one."""
        return False

    def on_accepted(self, idle_at: float) -> None:
        """Begin, right after the accept. May raise OSError."""
        self.deadline = idle_at

    def on_ready(self, idle_at: float) -> CloseReason | None:
        """Go on, as the socket is ready. Returns the reason if the connection is over.

        `idle_at` is the deadline if data moves now. May raise OSError. BlockingIOError means that
        there was nothing to do.
        """
        raise NotImplementedError

    def on_expired(self, now: float) -> CloseReason | None:
        """Return why the connection is closed at its deadline; None if it gets more time."""
        raise NotImplementedError

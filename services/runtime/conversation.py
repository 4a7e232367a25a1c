"""The connection that the evented model hands to a service: a caller's state between turns."""

import select
from collections.abc import Callable
from socket import socket

from runtime.connection import Accepted, Connection, Ending

# epoll's events have poll's values, and this module is read on systems without epoll too.
READABLE = select.POLLIN
WRITABLE = select.POLLOUT

Watch = Callable[[socket, int], None]  # ask for turns when the socket is READABLE or WRITABLE


class Conversation(Connection):
    """A caller that a service talks to in turns, none of which may wait."""

    __slots__ = ("deadline",)

    def __init__(self, accepted: Accepted) -> None:
        super().__init__(accepted)
        self.deadline = 0.0  # monotonic seconds

    @property
    def lingering(self) -> bool:
        """Whether the answer is sent, so that the connection may make room for a new one."""
        return False

    def begin(self, idle_at: float) -> None:
        """The first turn, right after the accept. May raise OSError."""
        self.deadline = idle_at

    def turn(self, idle_at: float) -> Ending | None:
        """The socket is ready, as asked for: how the conversation ended, if it did.

        `idle_at` is the deadline of a caller that moves now. May raise OSError. BlockingIOError
        means that there was nothing to do.
        """
        raise NotImplementedError

    def late(self, now: float) -> Ending | None:
        """The deadline has passed: how the conversation ends; None if it was set anew."""
        raise NotImplementedError

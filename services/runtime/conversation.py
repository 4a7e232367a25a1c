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

    __slots__ = ("_watch", "deadline")

    lingering = False  # whole answer sent; such callers make room for new ones at the cap

    def __init__(self, accepted: Accepted, watch: Watch) -> None:
        super().__init__(accepted)
        self._watch = watch
        self.deadline = 0.0  # monotonic seconds

    def begin(self, now: float) -> None:
        """The first turn, right after the accept; sets the deadline. May raise OSError."""
        raise NotImplementedError

    def turn(self, now: float) -> Ending | None:
        """The socket is ready, as asked for: how the conversation ended, if it did.

        May raise OSError. BlockingIOError means that there was nothing to do.
        """
        raise NotImplementedError

    def late(self, now: float) -> Ending | None:
        """The deadline has passed: how the conversation ends; None if it was set anew."""
        raise NotImplementedError

    def wait_for(self, event: int) -> None:
        """Ask for the next turn when the socket is READABLE or WRITABLE."""
        self._watch(self.socket, event)

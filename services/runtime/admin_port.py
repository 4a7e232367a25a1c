"""The admin port's loop: one thread answers all clients, in the order in which they arrive.

The thread starts before the service and ends with the process. So the admin port answers during a
drain, and also when the system refuses a further thread or descriptor.
"""

import os
import resource
import select
import time
from collections.abc import Callable
from contextlib import suppress
from socket import MSG_DONTWAIT, SHUT_WR, socket

from runtime.admin import is_whole
from runtime.log import Log
from runtime.tcp import NOT_NOW, NOT_NOW_PAUSE_S, accept

# A further client closes the oldest connection. So the number of places is also how many later
# connections a health check survives between its connect and its request: one in 16 of the
# descriptors that the process may have, within these bounds.
SHARE, FEWEST_PLACES, MOST_PLACES = 16, 8, 256

# More than the clients of a flood that waits for its answers. A client that finds the backlog full
# repeats its SYN after 1 s, which is too late for a health check. The kernel lowers the backlog to
# net.core.somaxconn, 4096 on current Linux.
BACKLOG = 4096

# From the accept to the close.
TIMEOUT_S = 5.0

RECEIVE_BYTES = 4096

# Input that a client may send before it closes: a head, and the rest of a body that nothing reads.
MAX_INPUT_BYTES = 64 * 1024


def places() -> int:
    """Return how many clients the admin port serves at once, each with a descriptor."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return MOST_PLACES
    return min(max(FEWEST_PLACES, limit // SHARE), MOST_PLACES)


class Client:
    """A client of the admin port: its connection, and the part of its request that has arrived."""

    __slots__ = ("expires_at", "head", "is_answered", "received", "socket")

    def __init__(self, connected: socket) -> None:
        self.socket = connected
        self.expires_at = time.monotonic() + TIMEOUT_S
        self.head = b""
        self.is_answered = False
        self.received = 0


class AdminPort:
    """The clients of the admin port by descriptor, in the order of arrival."""

    def __init__(self, listener: socket, answer: Callable[[bytes], bytes], log: Log) -> None:
        listener.listen(BACKLOG)
        self._listener = listener
        self._answer = answer
        self._log = log
        self._places = places()
        self._clients: dict[int, Client] = {}
        self._null = os.open(os.devnull, os.O_RDONLY)
        # Descriptors held only to be replaced by a client's: the service may use up all others.
        self._held: list[int] = []
        self._hold()

    def serve(self) -> None:
        """Answer clients until the process ends."""
        while True:
            try:
                self._turn()
            except MemoryError:
                time.sleep(NOT_NOW_PAUSE_S)

    def _turn(self) -> None:
        ready = self._wait()
        for descriptor in ready & self._clients.keys():
            self._serve(self._clients[descriptor])
        self._end_expired()
        if self._listener.fileno() in ready:
            self._accept_queued()

    def _wait(self) -> set[int]:
        """Return the ready descriptors, or none when the oldest connection expires."""
        poll = select.poll()
        for descriptor in (self._listener.fileno(), *self._clients):
            poll.register(descriptor, select.POLLIN)
        timeout_s = self._oldest().expires_at - time.monotonic() if self._clients else None
        ready = poll.poll(None if timeout_s is None else max(0.0, timeout_s * 1000))
        return {descriptor for descriptor, _ in ready}

    def _accept_queued(self) -> None:
        try:
            # Few enough that each client is polled once more before it can be the oldest.
            for _ in range(self._places // 2):
                if self._held:
                    os.close(self._held.pop())
                if not (accepted := accept(self._listener)):
                    break
                self._begin(accepted[0])
                # Only now, since an accept may find no connection.
                if not self._held and self._clients:
                    self._end(self._oldest())
        except OSError as error:
            if error.errno not in NOT_NOW:
                raise
            self._log.write_limited("warning", "accept failed", port="admin", error=error.strerror)
            time.sleep(NOT_NOW_PAUSE_S)
        finally:
            self._hold()

    def _begin(self, connected: socket) -> None:
        client = self._clients[connected.fileno()] = Client(connected)
        self._serve(client)

    def _serve(self, client: Client) -> None:
        try:
            is_over = self._receive(client)
        except (OSError, MemoryError):
            is_over = True
        if is_over:
            self._end(client)

    def _receive(self, client: Client) -> bool:
        """Receive what has arrived, and answer a whole request; whether the client is done."""
        try:
            data = client.socket.recv(RECEIVE_BYTES, MSG_DONTWAIT)
        except BlockingIOError:
            return False
        client.received += len(data)
        if not client.is_answered:
            client.head += data
            if is_whole(client.head):
                self._send_answer(client)
        return not data or client.received > MAX_INPUT_BYTES

    def _send_answer(self, client: Client) -> None:
        """Send the answer. From then on input is discarded until the client closes.

        To close while input is unread would reset the connection, and could destroy the answer
        (RFC 9112 section 9.6).
        """
        client.is_answered = True
        # No wait for room: an answer is smaller than the send buffer of a new connection.
        client.socket.send(self._answer(client.head), MSG_DONTWAIT)
        client.socket.shutdown(SHUT_WR)

    def _end_expired(self) -> None:
        now = time.monotonic()
        while self._clients and self._oldest().expires_at <= now:
            self._end(self._oldest())

    def _end(self, client: Client) -> None:
        """Close a connection, and hold its descriptor instead."""
        descriptor = client.socket.fileno()
        del self._clients[descriptor]
        try:
            # In one call, or another thread could take the descriptor in between.
            os.dup2(self._null, descriptor, inheritable=False)
            client.socket.detach()
            self._held.append(descriptor)
        except OSError:  # RLIMIT_NOFILE was lowered below it
            client.socket.close()

    def _hold(self) -> None:
        """Hold a descriptor for each free place, and one for the next client, if there are any."""
        with suppress(OSError):
            while len(self._held) + len(self._clients) <= self._places:
                self._held.append(os.dup(self._null))

    def _oldest(self) -> Client:
        return next(iter(self._clients.values()))

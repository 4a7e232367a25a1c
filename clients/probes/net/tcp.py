"""TCP: a connection to whichever of the target's addresses accepts first."""

from __future__ import annotations

import errno
import math
import select
import socket
from collections.abc import Iterator, Sequence

from probes.core.outcome import Failure
from probes.core.result import Phase, Trace
from probes.net.deadline import Deadline
from probes.net.resolver import lookup
from probes.net.sockets import (
    RECEIVE_BYTES,
    Address,
    ConnectedSocket,
    Context,
    connected_socket,
    os_errors_as_failures,
)


class Connection(ConnectedSocket):
    """A connected TCP socket. The first byte that it receives is noted in `trace`."""

    def __init__(self, connected: socket.socket, deadline: Deadline, trace: Trace) -> None:
        super().__init__(connected, deadline)
        self._trace = trace
        trace.enter(Phase.FIRST_BYTE)

    def receive(self, max_bytes: int = RECEIVE_BYTES) -> bytes:
        """The next bytes, none at their end."""
        data = super().receive(max_bytes)
        if data:
            self._trace.enter(Phase.ANSWER)
        return data

    def send_all(self, data: bytes) -> None:
        """Send all of `data`, for requests too short to fill any buffer."""
        with os_errors_as_failures():
            self._socket.settimeout(self.deadline.remaining())
            self._socket.sendall(data)

    def send_urgent(self, byte: bytes) -> None:
        """Send one byte as urgent; if it comes back so, it is a byte of the stream as well."""
        with os_errors_as_failures():
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)
            self._socket.settimeout(self.deadline.remaining())
            self._socket.send(byte, socket.MSG_OOB)

    def finish_sending(self) -> None:
        """Half-close: the peer sees the end of our data and may still answer."""
        with os_errors_as_failures():
            try:
                self._socket.shutdown(socket.SHUT_WR)
            except OSError as error:
                if error.errno != errno.ENOTCONN:  # it is over: the next receive tells how
                    raise

    def wait(self, *, to_send: bool, at_most_s: float = math.inf) -> tuple[bool, bool]:
        """Wait until there is something to receive, or room `to_send`; returns which of the two.

        After `at_most_s` it may be neither.
        """
        poll = select.poll()  # select() takes no descriptor above 1023, and many may be inherited
        poll.register(self._socket, select.POLLIN | (select.POLLOUT if to_send else 0))
        with os_errors_as_failures():
            events = dict(poll.poll(min(self.deadline.remaining(), at_most_s) * 1000))
        ready = events.get(self._socket.fileno(), 0)
        # An error is something to receive, too: that call tells which.
        return bool(ready & ~select.POLLOUT), bool(ready & select.POLLOUT)

    def exchange(
        self, chunks: Iterator[bytes | memoryview], most: float, *, half_close: bool = False
    ) -> Iterator[bytes]:
        """Send `chunks`, and yield what comes until EOF, up to `most` bytes.

        Sending and receiving go on together. Otherwise a peer that obeys back-pressure would wait
        for us to read while we wait for the peer to read.
        """
        unsent = memoryview(next(chunks, b""))
        while most > 0:
            readable, writable = self.wait(to_send=bool(unsent))
            # Reading comes first: what a peer said before it reset the connection tells more.
            if readable:
                if not (data := self.receive(int(min(most, RECEIVE_BYTES)))):
                    return
                yield data
                most -= len(data)
            if writable:
                unsent = unsent[self.send(unsent) :] or memoryview(next(chunks, b""))
                if half_close and not unsent:
                    self.finish_sending()

    def is_reset(self, wait_s: float) -> bool:
        """Whether a reset comes that soon; one after the peer's FIN shows nowhere else."""
        poll = select.poll()
        poll.register(self._socket, 0)  # errors are always reported
        with os_errors_as_failures():
            poll.poll(wait_s * 1000)
            return self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0


def open_connection(context: Context) -> Connection:
    """Look the target up and connect to it, noting each phase in the trace; raises Failure."""
    addresses = lookup(context.target, context.family, socket.SOCK_STREAM, context.deadline)
    context.trace.enter(Phase.CONNECT)
    return connect(addresses, context.deadline, context.trace)


def connect(addresses: Sequence[Address], deadline: Deadline, trace: Trace) -> Connection:
    """Connect to the first address that accepts; raises Failure when none does.

    Each may use an equal share of the time that is left, so a dead one leaves time for the others.
    """
    failures: dict[Address, Failure] = {}
    for position, address in enumerate(addresses):
        trace.address = str(address)
        shares = len(addresses) - position
        try:
            connected = connected_socket(address, socket.SOCK_STREAM, deadline, shares)
            return Connection(connected, deadline, trace)
        except Failure as failure:
            failures[address] = failure
    # The best-ranked address is the one the user meant; its failure is the one to report.
    (best, first), *others = failures.items()
    trace.address = str(best)
    tried = ", ".join(f"{address} {each.outcome.name}" for address, each in others)
    raise first.after(f"also tried {tried}") if tried else first

"""Reaching a target and talking to it, all within one deadline.

This is the only module that touches sockets, and `os_errors_as_failures` is the only place where
an operating system's error becomes an outcome.
"""

from __future__ import annotations

import errno
import queue
import select
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from probes.address import Target, format_address
from probes.deadline import Deadline
from probes.outcome import Failure, Outcome
from probes.result import Phase, Trace

RECEIVE_BYTES = 64 * 1024

OUTCOMES: dict[int | None, Outcome] = {
    errno.ECONNREFUSED: Outcome.REFUSED,
    errno.ECONNRESET: Outcome.RESET,
    errno.ECONNABORTED: Outcome.RESET,
    errno.EPIPE: Outcome.RESET,
}


class Address(NamedTuple):
    """One place to connect to: an address family and what the socket module calls an address."""

    family: int
    sockaddr: tuple[Any, ...]

    def __str__(self) -> str:
        return format_address(self.sockaddr[0], self.sockaddr[1])


@contextmanager
def os_errors_as_failures() -> Iterator[None]:
    """Raise every OSError from the block as a Failure.

    Whatever has no word of its own (no route, no such interface, no IPv6 here, a local firewall)
    means that we did not get there: UNREACHABLE, with the system's own words as the reason.
    """
    try:
        yield
    except socket.gaierror as error:
        raise Failure(Outcome.DNS, error.strerror or "no such name") from error
    except TimeoutError as error:
        raise Failure(Outcome.TIMEOUT, error.strerror or "time ran out") from error
    except OSError as error:
        outcome = OUTCOMES.get(error.errno, Outcome.UNREACHABLE)
        raise Failure(outcome, error.strerror or str(error)) from error


class Connection:
    """A connected TCP socket. Every call waits until the deadline at most, and raises Failure."""

    def __init__(self, connected: socket.socket, deadline: Deadline) -> None:
        self._socket = connected
        self.deadline = deadline

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def receive(self, max_bytes: int = RECEIVE_BYTES) -> bytes:
        """The next bytes from the peer, or none when it has finished sending."""
        with os_errors_as_failures():
            self._socket.settimeout(self.deadline.remaining())
            return self._socket.recv(max_bytes)

    def send(self, data: bytes | memoryview) -> int:
        """Send the first part of `data`; returns how many bytes the kernel took."""
        with os_errors_as_failures():
            self._socket.settimeout(self.deadline.remaining())
            return self._socket.send(data)

    def send_all(self, data: bytes) -> None:
        """Send all of `data`, for requests too short to fill any buffer."""
        with os_errors_as_failures():
            self._socket.settimeout(self.deadline.remaining())
            self._socket.sendall(data)

    def finish_sending(self) -> None:
        """Half-close: the peer sees the end of our data and may still answer."""
        with os_errors_as_failures():
            self._socket.shutdown(socket.SHUT_WR)

    def wait(self, *, to_send: bool) -> tuple[bool, bool]:
        """Wait until there is something to receive, or room `to_send`; returns which of the two."""
        writers = [self._socket] if to_send else []
        with os_errors_as_failures():
            timeout = self.deadline.remaining()
            readable, writable, _ = select.select([self._socket], writers, [], timeout)
        return bool(readable), bool(writable)


def open_connection(target: Target, family: int, deadline: Deadline, trace: Trace) -> Connection:
    """Look `target` up and connect to it, noting both phases in `trace`; raises Failure."""
    addresses = lookup(target, family, deadline)
    trace.enter(Phase.CONNECT)
    connection = connect(addresses, deadline, trace)
    trace.enter(Phase.ANSWER)
    return connection


def lookup(
    target: Target,
    family: int,
    deadline: Deadline,
    resolve: Callable[..., Any] = socket.getaddrinfo,
) -> list[Address]:
    """The addresses of `target`, best first (RFC 6724); raises Failure.

    getaddrinfo has no timeout and cannot be cancelled, so it runs in a thread, and in a daemon one
    so that the process can end while it hangs.
    """
    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def ask() -> None:
        try:
            # As bytes the name skips the idna codec, which is slow and in places missing.
            answers.put(resolve(target.host.encode(), target.port, family, socket.SOCK_STREAM))
        except OSError as error:
            answers.put(error)

    with os_errors_as_failures():
        threading.Thread(target=ask, daemon=True).start()
        return [Address(found[0], found[4]) for found in _first_answer(answers, deadline)]


def _first_answer(answers: queue.SimpleQueue[Any], deadline: Deadline) -> Any:
    try:
        answer = answers.get(timeout=deadline.remaining())
    except queue.Empty:
        # Kubernetes tries every search domain before a name with few dots (kubernetes#56903).
        hint = "the resolver did not answer; in a cluster, try the full name with a dot at its end"
        raise TimeoutError(errno.ETIMEDOUT, hint) from None
    if isinstance(answer, OSError):
        raise answer
    return answer


def connect(addresses: Sequence[Address], deadline: Deadline, trace: Trace) -> Connection:
    """Connect to the first address that accepts; raises Failure when none does.

    Each may use an equal share of the time that is left, so a dead one leaves time for the others.
    """
    failures: dict[Address, Failure] = {}
    for position, address in enumerate(addresses):
        trace.address = str(address)
        try:
            connected = _connect_one(address, deadline, shares=len(addresses) - position)
            return Connection(connected, deadline)
        except Failure as failure:
            failures[address] = failure
    # The best-ranked address is the one the user meant; its failure is the one to report.
    (best, first), *others = failures.items()
    trace.address = str(best)
    tried = ", ".join(f"{address} {each.outcome.name}" for address, each in others)
    raise first.after(f"also tried {tried}") if tried else first


def _connect_one(address: Address, deadline: Deadline, shares: int) -> socket.socket:
    with os_errors_as_failures():
        connecting = socket.socket(address.family, socket.SOCK_STREAM)
        try:
            connecting.settimeout(deadline.remaining() / shares)
            connecting.connect(address.sockaddr)
            _refuse_self(connecting, address)
        except BaseException:
            connecting.close()
            raise
        return connecting


def _refuse_self(connected: socket.socket, address: Address) -> None:
    # With no listener on a port of the ephemeral range, TCP may pick that very port as ours and
    # connect us to ourselves (RFC 9293 section 3.5, simultaneous open): a perfect false echo.
    if connected.getsockname() == address.sockaddr:
        raise ConnectionRefusedError(errno.ECONNREFUSED, "nobody there: connected to ourselves")

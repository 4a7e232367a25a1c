"""Connected sockets for TCP and UDP alike, and their errors as outcomes.

`os_errors_as_failures` is the only place where an operating system's error becomes an outcome.
"""

from __future__ import annotations

import errno
import math
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Self

from probes.core.outcome import Failure, Outcome
from probes.core.result import Result, Trace, Transport
from probes.core.target import Family, ProbeOptions, Target, format_address
from probes.net.deadline import Deadline

# No datagram is longer, so none is ever cut.
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
        host, port, *more = self.sockaddr
        scope = more[1] if more else 0
        return format_address(f"{host}%{interface(scope)}" if scope else host, port)


def interface(number: int) -> str:
    """The name of a network interface, or its number once it has gone."""
    try:
        return socket.if_indextoname(number)
    except OSError:
        return str(number)


class Context(NamedTuple):
    """What an exchange begins with: the target, how to reach it, the deadline and the notes."""

    target: Target
    family: Family
    deadline: Deadline
    trace: Trace

    @classmethod
    def begin(
        cls, options: ProbeOptions, transport: Transport, at_most_s: float = math.inf
    ) -> Self:
        """Return the context of an exchange whose time begins now."""
        deadline = Deadline(min(options.timeout_s, at_most_s))
        return cls(options.target, options.family, deadline, Trace(transport, options.expected))

    def result(self, got: Outcome, detail: str) -> Result:
        """Return the result of the exchange, which ends here."""
        return self.trace.result(self.target, got, detail)


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


class ConnectedSocket:
    """A socket that talks to one address.

    Every call waits until the deadline at most, and raises Failure.
    """

    def __init__(self, connected: socket.socket, deadline: Deadline) -> None:
        self._socket = connected
        self.deadline = deadline

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Let the calls in the block wait for so long together. When all of that goes by, the
        deadline is as much later: a silence that we ask for is not time that the peer takes.
        """
        overall = self.deadline
        with os_errors_as_failures():
            overall.remaining()
        self.deadline = Deadline(seconds)
        try:
            yield
        finally:
            if self.deadline.is_over():
                overall.extend(seconds)
            self.deadline = overall

    def receive(self, max_bytes: int = RECEIVE_BYTES) -> bytes:
        """The next bytes of a stream, none at its end; or the next datagram, which may be empty."""
        with os_errors_as_failures():
            self._socket.settimeout(self.deadline.remaining())
            return self._socket.recv(max_bytes)

    def send(self, data: bytes | memoryview) -> int:
        """Send the first part of `data`, or all of a datagram; returns how many bytes went."""
        with os_errors_as_failures():
            self._socket.settimeout(self.deadline.remaining())
            return self._socket.send(data)


def connected_socket(
    address: Address, kind: int, deadline: Deadline, shares: int = 1
) -> socket.socket:
    """A new socket connected to `address` within one of `shares` of the time; raises Failure."""
    with os_errors_as_failures():
        connecting = socket.socket(address.family, kind)
        try:
            connecting.settimeout(deadline.remaining() / shares)
            connecting.connect(address.sockaddr)
            refuse_self(connecting)
        except BaseException:
            connecting.close()
            raise
        return connecting


def refuse_self(connected: socket.socket) -> None:
    """Raise ConnectionRefusedError when the socket is connected to itself."""
    # With no listener on a port of the ephemeral range, that very port may be picked as ours, and
    # we are connected to ourselves: by UDP's nature, and in TCP by RFC 9293 section 3.5,
    # simultaneous open. It would be a perfect false echo.
    try:
        peer = connected.getpeername()
    except OSError:  # already over: the next call tells how
        return
    if connected.getsockname() == peer:
        raise ConnectionRefusedError(errno.ECONNREFUSED, "nobody there: connected to ourselves")

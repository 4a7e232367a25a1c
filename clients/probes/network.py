"""The way to a target, for TCP and UDP alike: look-up, a connected socket, errors as outcomes.

`os_errors_as_failures` is the only place where an operating system's error becomes an outcome.
"""

from __future__ import annotations

import errno
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Self

from probes.address import Target, format_address
from probes.deadline import Deadline
from probes.outcome import Failure, Outcome

# No datagram is longer, so none is ever cut.
RECEIVE_BYTES = 64 * 1024

# A resolver that is silent is asked anew, since the network may have lost a question or an answer;
# but not without end, since glibc waits for some of them for ever.
ASK_AGAIN_S = 1.0
MAX_LOOK_UPS = 64

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


class LookUp(threading.Thread):
    """A question to the resolver under way.

    getaddrinfo has no timeout and cannot be cancelled, so it runs in a thread, and in a daemon one
    so that the process can end while it hangs.
    """

    def __init__(self, resolve: Callable[..., Any], *question: Any) -> None:
        super().__init__(daemon=True)
        self.began = time.monotonic()
        self._resolve = resolve
        self._question = question
        self._answer: Any = socket.gaierror(socket.EAI_FAIL, "the resolver failed")

    def run(self) -> None:
        """Ask, and keep what comes of it."""
        try:
            self._answer = self._resolve(*self._question)
        except OSError as error:
            self._answer = error

    def answer(self, deadline: Deadline) -> Any:
        """What getaddrinfo gives; raises OSError."""
        self.join(deadline.remaining())
        if self.is_alive():
            # Kubernetes tries every search domain before a name with few dots (kubernetes#56903).
            hint = (
                "the resolver did not answer; in a cluster, try the full name with a dot at its end"
            )
            raise TimeoutError(errno.ETIMEDOUT, hint)
        if isinstance(self._answer, OSError):
            raise self._answer
        return self._answer


# Those of each question that have no answer yet, the youngest last.
_under_way: dict[tuple[Any, ...], list[LookUp]] = {}


def lookup(
    target: Target,
    family: int,
    kind: int,
    deadline: Deadline,
    resolve: Callable[..., Any] = socket.getaddrinfo,
) -> list[Address]:
    """The addresses of `target` for sockets of a `kind`, best first (RFC 6724); raises Failure.

    Who asks what was asked a moment ago waits for that answer: were each try to ask anew while a
    resolver is silent, threads and descriptors would soon be used up.
    """
    # As bytes the name skips the idna codec, which is slow and in places missing.
    question = (resolve, target.host.encode(), target.port, family, kind)
    with os_errors_as_failures():
        return [Address(found[0], found[4]) for found in _look_up(question).answer(deadline)]


def _look_up(question: tuple[Any, ...]) -> LookUp:
    under_way = [each for each in _under_way.get(question, ()) if each.is_alive()]
    is_fresh = under_way and time.monotonic() - under_way[-1].began < ASK_AGAIN_S
    if not is_fresh and len(under_way) < MAX_LOOK_UPS:
        under_way.append(LookUp(*question))
        try:
            under_way[-1].start()
        except RuntimeError as error:  # a limit on processes or memory; it counts threads as well
            raise socket.gaierror(socket.EAI_AGAIN, f"cannot ask the resolver: {error}") from error
    _under_way[question] = under_way
    return under_way[-1]


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

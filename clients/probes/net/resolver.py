"""Look-up of a target's addresses within a deadline."""

from __future__ import annotations

import errno
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

from probes.core.target import Family, Target
from probes.net.deadline import Deadline
from probes.net.sockets import Address, os_errors_as_failures

FAMILIES = {Family.ANY: socket.AF_UNSPEC, Family.IPV4: socket.AF_INET, Family.IPV6: socket.AF_INET6}

# A silent resolver is asked again, because the network may have lost a question or an answer. The
# number of questions is bounded, because glibc waits for some resolvers without end.
ASK_AGAIN_S = 1.0
MAX_LOOK_UPS = 64


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
    family: Family,
    kind: int,
    deadline: Deadline,
    resolve: Callable[..., Any] = socket.getaddrinfo,
) -> list[Address]:
    """Return the addresses of `target` for sockets of a `kind`, best first (RFC 6724).

    A question that was asked a moment ago waits for that answer: new look-ups in each attempt would
    use up threads and descriptors while a resolver is silent. Raises Failure.
    """
    # As bytes the name skips the idna codec, which is slow and in places missing.
    question = (resolve, target.host.encode(), target.port, FAMILIES[family], kind)
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

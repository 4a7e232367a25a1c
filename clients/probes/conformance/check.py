"""A duty of a protocol as something to try: one exchange, and what is expected of what it saw."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Generic, TypeVar

from probes.core.outcome import Failure, Outcome
from probes.core.result import Phase, Result, Transport, to_ms
from probes.net.sockets import Context

# What has not come by then is not to come: longer than a round trip between continents.
QUIET_S = 0.3

# The outcomes that show that no service answers, at the target and on the path to it.
THERE = (Outcome.REFUSED, Outcome.UNREACHABLE)
UNDER_WAY = (*THERE, Outcome.DNS, Outcome.TIMEOUT)

Seen = TypeVar("Seen")


class Verdict(Enum):
    """What became of a check; the member's name is the word that scripts may match."""

    PASS = auto()
    FAIL = auto()
    SKIP = auto()


class Skip(Exception):
    """A check that cannot be made from here; the message says why."""


@dataclass(frozen=True)
class Check(Generic[Seen]):
    """A row of a table: the duty, the check's own name, what is to hold, and who says so.

    `exchange` goes to the network; it raises Failure or Skip. `expectation` is pure and gives a
    remark on what was seen, mostly none; it raises Failure.
    """

    duty: str
    name: str
    transport: Transport
    title: str
    source: str
    exchange: Callable[[Context], Seen]
    expectation: Callable[[Seen], str]

    def __str__(self) -> str:
        return f"{self.duty} {self.transport.name} {self.title} ({self.source})"

    def judge(self, context: Context) -> Finding:
        """Make the exchange and compare; a network that fails is a FAIL, too."""
        try:
            remark = self.expectation(self.exchange(context))
        except Skip as skip:
            return Finding(self, Verdict.SKIP, str(skip))
        except Failure as failure:
            result = context.result(failure.outcome, failure.reason)
            return Finding(self, Verdict.FAIL, f"{failure.outcome.name} {failure.reason}", result)
        return Finding(self, Verdict.PASS, remark, context.result(Outcome.OK, remark))


@dataclass(frozen=True)
class Finding:
    """What became of a check and why; `result` is None where it was skipped.

    The reason may hold what a peer sent, so it must be escaped wherever it is shown.
    """

    check: Check[Any]
    verdict: Verdict
    reason: str
    result: Result | None = None

    @property
    def is_unreached(self) -> bool:
        """Whether it failed for want of anybody there, which the next check cannot mend."""
        if self.verdict is not Verdict.FAIL or self.result is None:
            return False
        is_under_way = self.result.phase in (Phase.LOOKUP, Phase.CONNECT)
        return self.result.got in (UNDER_WAY if is_under_way else THERE)

    def line(self) -> str:
        """The finding as one line of text; the first word is the verdict."""
        reason = f": {self.reason}" if self.reason else ""
        return f"{self.verdict.name} {self.check}{reason}"

    def facts(self) -> dict[str, object]:
        """The same facts under names, for JSON; null where the check was skipped."""
        return {
            "verdict": self.verdict.name,
            "duty": self.check.duty,
            "check": self.check.name,
            "transport": self.check.transport.value,
            "title": self.check.title,
            "source": self.check.source,
            "reason": self.reason,
            "outcome": self.result and self.result.got.name,
            "address": self.result and self.result.address,
            "elapsed_ms": self.result and to_ms(self.result.elapsed),
        }

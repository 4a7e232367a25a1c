"""The times in which a watch met nothing that was as expected, in bounded memory. Pure.

Moments are seconds since the watch began, on a clock that is never set back.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from probes.core.outcome import Outcome
from probes.core.result import Result, to_ms

# What comes and goes all day has more gaps than anybody reads.
MAX_GAPS = 100


@dataclass
class Outage:
    """The time from one try that came as expected, or the beginning, to the next that did so.

    `failed` counts the attempts between them by what they got. The service may have been away for
    a shorter time: there was no attempt in between.
    """

    began_s: float
    ended_s: float
    follows_good: bool
    failed: Counter[Outcome] = field(default_factory=Counter)
    is_over: bool = False

    @property
    def seconds(self) -> float:
        """How long it lasted, or has lasted so far."""
        return self.ended_s - self.began_s


class Outages:
    """Finds the gaps in a run, and keeps the longest 100 of them and the one that is not over."""

    def __init__(self) -> None:
        self.count = 0
        self._over: list[Outage] = []
        self._last: Outage | None = None
        self._good_s: float | None = None

    @property
    def kept(self) -> list[Outage]:
        """Those that are kept, in the order of time."""
        return [*self._over, *([self._last] if self._last else [])]

    @property
    def longest_s(self) -> float:
        """How long the longest lasted, or has lasted so far; zero when there is none."""
        return max((gap.seconds for gap in self.kept), default=0.0)

    @property
    def is_open(self) -> bool:
        """Whether one is not over."""
        return self._last is not None

    def add(self, at_s: float, result: Result) -> Outage | None:
        """Take a try that ended at a moment; returns the gap that it ends."""
        if result.outcome is Outcome.OK:
            self._good_s = at_s
            return self._close(at_s)
        if self._last is None:
            self._last = Outage(self._good_s or 0.0, at_s, self._good_s is not None)
            self.count += 1
        self._last.ended_s = at_s
        self._last.failed[result.got] += 1
        return None

    def end(self, at_s: float) -> None:
        """The run ends at a moment; a gap that is not over has lasted until then."""
        if self._last:
            self._last.ended_s = at_s

    def line(self) -> str:
        """All of it as a part of a line; empty when there is none."""
        if not self.count:
            return ""
        number = "1 gap" if self.count == 1 else f"{self.count} gaps"
        last = ", the last not over" if self.is_open else ""
        return f"{number}, the longest {self.longest_s:.1f} s{last}"

    def facts(self) -> dict[str, object]:
        """The same facts under names, for JSON."""
        return {
            "gaps": self.count,
            "longest_gap_ms": to_ms(self.longest_s) if self.count else None,
            "gap_open": self.is_open,
        }

    def _close(self, at_s: float) -> Outage | None:
        gap, self._last = self._last, None
        if gap:
            gap.ended_s, gap.is_over = at_s, True
            self._over.append(gap)
        if len(self._over) > MAX_GAPS:
            self._over.remove(min(self._over, key=lambda each: each.seconds))
        return gap

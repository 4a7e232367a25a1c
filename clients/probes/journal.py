"""What a watch remembers of a run of any length, in bounded memory. Pure.

Moments are seconds since the watch began, on a clock that is never set back.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from probes.outcome import Outcome
from probes.result import Result, timestamp, to_ms
from probes.stretch import Stretch, answerer_of
from probes.timeline import Timeline

# What comes and goes all day has more gaps than anybody reads.
MAX_GAPS = 100


@dataclass
class Gap:
    """The time from one try that came as expected, or the beginning, to the next that did so.

    `failed` counts the tries between them by what they came to. What was missing may have been so
    for less: nobody asked in between.
    """

    began_s: float
    ended_s: float
    failed: Counter[Outcome] = field(default_factory=Counter)
    is_over: bool = False

    @property
    def seconds(self) -> float:
        """How long it lasted, or has lasted so far."""
        return self.ended_s - self.began_s


@dataclass(frozen=True)
class Change:
    """A try that came to something else than the one before it, if any; `gap` is what it ends."""

    before: Outcome | None
    result: Result
    gap: Gap | None

    kind = "change"

    def line(self) -> str:
        """The news as one line of text, with the reason for what is not OK."""
        got = self.result.got
        change = f"{self.before.name} -> {got.name}" if self.before else f"begins {got.name}"
        gap = f" after a gap of {self.gap.seconds:.1f} s" if self.gap else ""
        reason = "" if got is Outcome.OK else f": {self.result.detail}"
        return f"{clock_time(self.result.ended)} {change}{gap}{reason}"

    def facts(self) -> dict[str, object]:
        """The same facts under names, for JSON; what does not apply is null."""
        return {
            "time": timestamp(self.result.ended),
            "from": self.before.name if self.before else None,
            "to": self.result.got.name,
            "outcome": self.result.outcome.name,
            "gap_ms": to_ms(self.gap.seconds) if self.gap else None,
            "detail": self.result.detail,
        }


@dataclass(frozen=True)
class FirstAnswer:
    """The first answer by somebody; `time` is Unix time."""

    time: float
    answerer: str

    kind = "first_answer"

    def line(self) -> str:
        """The news as one line of text."""
        return f"{clock_time(self.time)} first answer by {self.answerer}"

    def facts(self) -> dict[str, object]:
        """The same facts under names, for JSON."""
        return {"time": timestamp(self.time), "by": self.answerer}


News = Change | FirstAnswer


class Journal:
    """Takes one result after the other, and tells what each of them changed.

    The timeline begins with slices of `slice_s` seconds. `seen_s` has the moments of the first and
    the last answer by each who is in the total's tally.
    """

    def __init__(self, slice_s: float) -> None:
        self.total = Stretch()
        self.timeline = Timeline(slice_s)
        self.seen_s: dict[str, tuple[float, float]] = {}
        self.gap_count = 0
        self._gaps: list[Gap] = []
        self._gap: Gap | None = None
        self._last_ok_s = 0.0

    @property
    def gaps(self) -> list[Gap]:
        """The longest gaps in the order of time, and the one that is not over, if there is one."""
        return [*self._gaps, *([self._gap] if self._gap else [])]

    def add(self, at_s: float, result: Result) -> list[News]:
        """Count a try that ended at a moment; returns the news."""
        before = self.total.last
        self.total.add(at_s, result)
        self.timeline.add(at_s, result)
        gap = self._follow(at_s, result)
        news: list[News] = [Change(before, result, gap)] if result.got is not before else []
        return news + self._greet(at_s, result)

    def _follow(self, at_s: float, result: Result) -> Gap | None:
        if result.outcome is Outcome.OK:
            self._last_ok_s = at_s
            return self._end_gap(at_s)
        if self._gap is None:
            self._gap = Gap(self._last_ok_s, at_s)
            self.gap_count += 1
        self._gap.ended_s = at_s
        self._gap.failed[result.got] += 1
        return None

    def _end_gap(self, at_s: float) -> Gap | None:
        gap, self._gap = self._gap, None
        if gap:
            gap.ended_s, gap.is_over = at_s, True
            self._gaps.append(gap)
        if len(self._gaps) > MAX_GAPS:
            self._gaps.remove(min(self._gaps, key=lambda each: each.seconds))
        return gap

    def _greet(self, at_s: float, result: Result) -> list[News]:
        answerer = answerer_of(result)
        if answerer is None or answerer not in self.total.answers.names:
            return []
        first_s, _ = self.seen_s.setdefault(answerer, (at_s, at_s))
        is_first = self.total.answers.names[answerer] == 1
        self.seen_s[answerer] = (first_s, at_s)
        return [FirstAnswer(result.ended, answerer)] if is_first else []


def clock_time(moment: float) -> str:
    """Unix time as a clock on the wall shows it, in the zone of who looks."""
    return f"{datetime.fromtimestamp(moment):%H:%M:%S}"

"""What a watch remembers of a run of any length, in bounded memory. Pure.

Moments are seconds since the watch began, on a clock that is never set back.
"""

from __future__ import annotations

from dataclasses import dataclass

from probes.core.outcome import Outcome
from probes.core.result import Result, clock_time, to_ms
from probes.stats.interval import Interval, server_of
from probes.watch.outages import Outage, Outages
from probes.watch.timeline import Timeline


@dataclass(frozen=True)
class Change:
    """A try that came to something else than the one before it, if any; `gap` is what it ends."""

    before: Outcome | None
    result: Result
    gap: Outage | None

    kind = "change"

    @property
    def time(self) -> float:
        """When the try ended, Unix time."""
        return self.result.ended

    @property
    def outcome(self) -> Outcome:
        """What it is worth."""
        return self.result.outcome

    @property
    def lead(self) -> str:
        """What a line of text begins with: when it was, and what came before."""
        before = f"{self.before.name} ->" if self.before else "begins"
        return f"{clock_time(self.time)} {before} "

    @property
    def text(self) -> str:
        """The rest of the line, which begins with the outcome, and the reason if that is not OK."""
        got = self.result.got
        reason = "" if got is Outcome.OK else f": {self.result.detail}"
        return f"{got.name}{self._after()}{reason}"

    def facts(self) -> dict[str, object]:
        """The same facts under names, for JSON; what does not apply is null."""
        return {
            "from": self.before.name if self.before else None,
            "to": self.result.got.name,
            "outcome": self.outcome.name,
            "gap_ms": to_ms(self.gap.seconds) if self.gap else None,
            "detail": self.result.detail,
        }

    def _after(self) -> str:
        if not self.gap:
            return ""
        what = "after a gap of" if self.gap.follows_good else "for the first time, after"
        return f" {what} {self.gap.seconds:.1f} s"


@dataclass(frozen=True)
class FirstAnswer:
    """The first answer of a server; `time` is Unix time."""

    time: float
    server: str

    kind = "first_answer"
    outcome = None

    @property
    def lead(self) -> str:
        """What a line of text begins with: when it was."""
        return f"{clock_time(self.time)} "

    @property
    def text(self) -> str:
        """The rest of the line."""
        return f"first answer by {self.server}"

    def facts(self) -> dict[str, object]:
        """The same facts under names, for JSON."""
        return {"by": self.server}


Event = Change | FirstAnswer


class History:
    """Takes one result after the other, and tells what each of them changed.

    The timeline begins with slices of `slice_s` seconds. `seen_s` has the moments of the first and
    the last answer by each who the total counts by name.
    """

    def __init__(self, slice_s: float) -> None:
        self.total = Interval(None)
        self.timeline = Timeline(slice_s)
        self.outages = Outages()
        self.seen_s: dict[str, tuple[float, float]] = {}
        self._last_was_good: bool | None = None
        self._told: set[Outcome] = set()

    def add(self, at_s: float, result: Result) -> list[Event]:
        """Count an attempt that ended at a moment; returns the events."""
        before = self.total.last
        self.total.add(at_s, result)
        self.timeline.add(at_s, result)
        gap = self.outages.add(at_s, result)
        events: list[Event] = [Change(before, result, gap)] if self._is_change(result) else []
        return events + self._first_answer(at_s, result)

    def end(self, at_s: float) -> None:
        """The run ends at a moment."""
        self.total.ended_s = at_s
        self.outages.end(at_s)

    def _is_change(self, result: Result) -> bool:
        # What flaps is told once in a gap, and once between two.
        is_good = result.outcome is Outcome.OK
        if is_good is not self._last_was_good:
            self._last_was_good = is_good
            self._told.clear()
        is_new = result.got not in self._told
        self._told.add(result.got)
        return is_new

    def _first_answer(self, at_s: float, result: Result) -> list[Event]:
        server = server_of(result)
        if server is None or server not in self.total.answers.names:
            return []
        first_s, _ = self.seen_s.setdefault(server, (at_s, at_s))
        is_first = self.total.answers.names[server] == 1
        self.seen_s[server] = (first_s, at_s)
        return [FirstAnswer(result.ended, server)] if is_first else []

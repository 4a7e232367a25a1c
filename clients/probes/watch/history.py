"""What a watch remembers of a run of any length, in bounded memory. Pure.

Moments are seconds since the watch began, on a clock that is never set back.
"""

from __future__ import annotations

from dataclasses import dataclass

from probes.core.outcome import Outcome
from probes.core.result import Result, clock_time, to_ms
from probes.stats.summary import Interval, server_of
from probes.watch.outages import Outage, Outages
from probes.watch.timeline import Timeline


@dataclass(frozen=True)
class Event:
    """What an attempt changed, for text and JSON. `lead` and `text` make a line of text; its first
    word after the lead has the colour of the `outcome`. `time` is Unix time.
    """

    kind: str
    time: float
    facts: dict[str, object]
    text: str
    lead: str
    outcome: Outcome | None = None


def change(before: Outcome | None, result: Result, outage: Outage | None) -> Event:
    """Return the event of another outcome than before, which may end an outage."""
    reason = "" if result.got is Outcome.OK else f": {result.detail}"
    facts: dict[str, object] = {
        "from": before.name if before else None,
        "to": result.got.name,
        "outcome": result.outcome.name,
        "gap_ms": to_ms(outage.seconds) if outage else None,
        "detail": result.detail,
    }
    text = f"{result.got.name}{_after(outage)}{reason}"
    lead = f"{clock_time(result.ended)} {f'{before.name} ->' if before else 'begins'} "
    return Event("change", result.ended, facts, text, lead, result.outcome)


def _after(outage: Outage | None) -> str:
    if not outage:
        return ""
    what = "after a gap of" if outage.follows_good else "for the first time, after"
    return f" {what} {outage.seconds:.1f} s"


def first_answer(moment: float, server: str) -> Event:
    """Return the event of the first answer of a server."""
    text = f"first answer by {server}"
    return Event("first_answer", moment, {"by": server}, text, f"{clock_time(moment)} ")


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
        outage = self.outages.add(at_s, result)
        events = [change(before, result, outage)] if self._is_change(result) else []
        return events + self._first_answer(at_s, result)

    def end(self, at_s: float) -> None:
        """The run ends at a moment."""
        self.total.ended_s = at_s
        self.outages.end(at_s)

    def _is_change(self, result: Result) -> bool:
        # Each outcome is reported once in a gap, and once between two gaps.
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
        return [first_answer(result.ended, server)] if is_first else []

"""The attempts of an interval of time: outcomes, latency, and which server answered. Pure."""

from __future__ import annotations

from probes.core.outcome import Outcome
from probes.core.result import Result
from probes.stats.counts import Counts, by_name, spread_facts, spread_text, words
from probes.stats.name_counter import NameCounter

SHOWN_RANKS = ("p50", "p99")
# A line is for people, who look for the two or three replicas that they know.
MAX_SHOWN_NAMES = 5


class Interval(Counts):
    """Counts the attempts of an interval.

    It begins at the moment when the last attempt before it ended, if there was one.
    """

    def __init__(self, began_s: float | None) -> None:
        super().__init__()
        self._began_s = began_s
        self._steps = 0  # from the end of an attempt to that of the next
        self.answers = NameCounter()
        self.ended_s = 0.0

    def add(self, at_s: float, result: Result) -> None:
        """Count an attempt that ended at a moment, in seconds."""
        if self._began_s is None:
            self._began_s = at_s
        else:
            self._steps += 1
        self.ended_s = at_s
        self.count(result)
        if name := server_of(result):
            self.answers.add(name)

    def line(self) -> str:
        """Return one line that begins with the last outcome; empty without an attempt."""
        rate, times = self._rate(), spread_text(self.latency, SHOWN_RANKS)
        first = [
            self.last.name if self.last else "",
            "" if rate is None else f"{rate:.1f}/s",
            f"{times} ms" if times else "",
        ]
        failed = words(by_name(self.failed))
        counts = f"{self.ok} of {self.sent} ok{f' ({failed})' if failed else ''}"
        parts = [" ".join(filter(None, first)), counts, self.answers.text(MAX_SHOWN_NAMES)]
        return "; ".join(filter(None, parts))

    def facts(self) -> dict[str, object]:
        """Return the same facts under names, for JSON; null if unknown."""
        rate = self._rate()
        return {
            "last": self.last.name if self.last else None,
            "sent": self.sent,
            "ok": self.ok,
            "failed": by_name(self.failed),
            "rate": None if rate is None else round(rate, 3),
            "elapsed_ms": spread_facts(self.latency),
            "answers": dict(self.answers.names.most_common()),
            "other_answers": self.answers.others,
        }

    def _rate(self) -> float | None:
        lasted = self.ended_s - (self._began_s or 0.0)
        return self._steps / lasted if self._steps and lasted > 0 else None


def server_of(result: Result) -> str | None:
    """Return the server that gave an OK answer: the name in daytime's line, else the address."""
    return (result.identity or result.address) if result.got is Outcome.OK else None

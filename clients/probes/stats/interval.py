"""The tries of a stretch of time, in bounded memory: outcomes, latency, and who answered. Pure."""

from __future__ import annotations

from collections import Counter

from probes.core.outcome import Outcome
from probes.core.result import Result, format_ms, to_ms
from probes.stats.histogram import Histogram
from probes.stats.name_counter import Tally
from probes.stats.summary import spread

SHOWN_RANKS = ("p50", "p99")
# A line is for people, who look for the two or three replicas that they know.
MAX_SHOWN_NAMES = 5


class Stretch:
    """Counts tries by what they came to, those that came `as_expected` and those that `failed`.

    It begins at the moment when the last try before it ended, if there was one. Latency is that of
    whole tries, from look-up to last byte, with an OK answer.
    """

    def __init__(self, began_s: float | None) -> None:
        self._began_s = began_s
        self._intervals = 0  # from the end of a try to that of the next
        self.as_expected: Counter[Outcome] = Counter()
        self.failed: Counter[Outcome] = Counter()
        self.latency = Histogram()
        self.answers = Tally()
        self.last: Outcome | None = None
        self.ended_s = 0.0

    @property
    def sent(self) -> int:
        """How many tries there were."""
        return self.as_expected.total() + self.failed.total()

    def add(self, at_s: float, result: Result) -> None:
        """Count a try that ended at a moment, in seconds."""
        if self._began_s is None:
            self._began_s = at_s
        else:
            self._intervals += 1
        self.ended_s = at_s
        self.last = result.got
        counts = self.as_expected if result.outcome is Outcome.OK else self.failed
        counts[result.got] += 1
        if result.got is Outcome.OK:
            self.latency.add(result.elapsed)
        if answerer := answerer_of(result):
            self.answers.add(answerer)

    def line(self) -> str:
        """All of it as one line of text that begins with the last outcome; empty without a try."""
        rate, latency = self._rate(), spread(self.latency)
        times = [f"{rank} {format_ms(latency[rank])}" for rank in SHOWN_RANKS if latency]
        first = [
            self.last.name if self.last else "",
            "" if rate is None else f"{rate:.1f}/s",
            f"{' '.join(times)} ms" if times else "",
        ]
        failed = ", ".join(f"{each.name} {count}" for each, count in self.failed.items())
        counts = f"{self.as_expected.total()} of {self.sent} ok{f' ({failed})' if failed else ''}"
        parts = [" ".join(filter(None, first)), counts, self.answers.text(MAX_SHOWN_NAMES)]
        return "; ".join(filter(None, parts))

    def facts(self) -> dict[str, object]:
        """The same facts under names, for JSON; what cannot be told is null."""
        rate = self._rate()
        return {
            "last": self.last.name if self.last else None,
            "sent": self.sent,
            "ok": self.as_expected.total(),
            "failed": {each.name: count for each, count in self.failed.items()},
            "rate": None if rate is None else round(rate, 3),
            "elapsed_ms": {rank: to_ms(took) for rank, took in spread(self.latency).items()}
            or None,
            "answers": dict(self.answers.names.most_common()),
            "other_answers": self.answers.others,
        }

    def _rate(self) -> float | None:
        lasted = self.ended_s - (self._began_s or 0.0)
        return self._intervals / lasted if self._intervals and lasted > 0 else None


def answerer_of(result: Result) -> str | None:
    """Who gave an OK answer: the name in daytime's line, else the address that was asked."""
    return (result.identity or result.address) if result.got is Outcome.OK else None

"""Attempts counted and timed, those of an interval and those of a whole run. Pure.

Memory is bounded, however many attempts there are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from probes.core.outcome import Outcome
from probes.core.result import Phase, Result, Transport, format_ms, to_ms
from probes.core.target import Target
from probes.stats.histogram import Histogram
from probes.stats.name_counter import NameCounter

RANKS = {"min": 0, "p50": 50, "p95": 95, "p99": 99, "max": 100}
SHOWN_RANKS = ("p50", "p99")
# A line is for people, who look for the two or three replicas that they know.
MAX_SHOWN_NAMES = 5


class Counts:
    """Counts attempts by what they got, and those of them that were not as expected.

    Latency is that of whole attempts, from look-up to last byte, with an OK answer, so that
    failures that come fast do not look like a fast service.
    """

    def __init__(self) -> None:
        self.got: Counter[Outcome] = Counter()
        self.failed: Counter[Outcome] = Counter()
        self.latency = Histogram()
        self.last: Outcome | None = None

    @property
    def sent(self) -> int:
        """How many attempts there were."""
        return self.got.total()

    @property
    def ok(self) -> int:
        """How many attempts were as expected."""
        return self.sent - self.failed.total()

    @property
    def as_expected(self) -> Counter[Outcome]:
        """What the attempts got that were as expected."""
        return self.got - self.failed

    def count(self, result: Result) -> None:
        """Count one attempt."""
        self.last = result.got
        self.got[result.got] += 1
        if result.outcome is not Outcome.OK:
            self.failed[result.got] += 1
        if result.got is Outcome.OK:
            self.latency.add(result.elapsed)


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
        rate, times = self._rate(), _spread_text(self.latency, SHOWN_RANKS)
        first = [
            self.last.name if self.last else "",
            "" if rate is None else f"{rate:.1f}/s",
            f"{times} ms" if times else "",
        ]
        failed = _words(_by_name(self.failed))
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
            "failed": _by_name(self.failed),
            "rate": None if rate is None else round(rate, 3),
            "elapsed_ms": _spread_facts(self.latency),
            "answers": dict(self.answers.names.most_common()),
            "other_answers": self.answers.others,
        }

    def _rate(self) -> float | None:
        lasted = self.ended_s - (self._began_s or 0.0)
        return self._steps / lasted if self._steps and lasted > 0 else None


class Summary(Counts):
    """Counts all attempts of a run, with the times of each phase.

    The times of look-up and connect count whenever the attempt went on, those of the answer only
    when it was OK.
    """

    def __init__(self, target: Target, transport: Transport) -> None:
        super().__init__()
        self.outcome = Outcome.OK
        self._target = target
        self._transport = transport
        self._is_expecting = False
        self._times = {phase: Histogram() for phase in Phase}
        self._identities = NameCounter()

    def add(self, result: Result) -> None:
        """Count one attempt. The first that is not OK decides the outcome of the run."""
        self.count(result)
        self._is_expecting = bool(result.expected)
        if self.outcome is Outcome.OK:
            self.outcome = result.outcome
        for phase, took in result.seconds.items():
            if _is_timed(phase, result):
                self._times[phase].add(took)
        if result.identity is not None:
            self._identities.add(result.identity)

    def line(self) -> str:
        """Return the summary as one line of text."""
        failed = _words(self._failed())
        counts = (
            f"{self.sent} sent, {self.ok} ok,"
            f" {self.failed.total()} failed{f' ({failed})' if failed else ''}"
        )
        named = {"whole": self.latency, **{each.words: took for each, took in self._times.items()}}
        times = [f"{name} ms {_spread_text(took)}" for name, took in named.items() if took.count]
        identities = self._identities.text()
        if unnamed := self.got[Outcome.OK] - self._identities.total:
            identities += f" and {unnamed} without" if identities else ""
        got = f"got {_words(_by_name(self.got))}" if self._is_expecting else ""
        parts = filter(None, [got, *times, f"by identity: {identities}" if identities else ""])
        return "; ".join([f"SUMMARY {self._transport.to(self._target)} {counts}", *parts])

    def facts(self) -> dict[str, object]:
        """Return the same facts under names, for JSON; times are null when there are none."""
        return {
            "target": str(self._target),
            "transport": self._transport.value,
            "sent": self.sent,
            "ok": self.ok,
            "failed": self._failed(),
            "got": _by_name(self.got),
            "elapsed_ms": _spread_facts(self.latency),
            **{f"{phase}_ms": _spread_facts(took) for phase, took in self._times.items()},
        }

    def daytime_facts(self) -> dict[str, object]:
        """Return what JSON adds for daytime: answers by identity, the most frequent first."""
        identities = self._identities
        return {
            "identities": dict(identities.names.most_common()),
            "other_identities": identities.others,
        }

    def _failed(self) -> dict[str, int]:
        # With an expectation there is one word for everything else.
        if self._is_expecting and self.failed:
            return {Outcome.WRONG.name: self.failed.total()}
        return _by_name(self.failed)


def _is_timed(phase: Phase, result: Result) -> bool:
    if phase in (Phase.LOOKUP, Phase.CONNECT):
        return result.phase is not phase
    return result.got is Outcome.OK


def server_of(result: Result) -> str | None:
    """Return the server that gave an OK answer: the name in daytime's line, else the address."""
    return (result.identity or result.address) if result.got is Outcome.OK else None


def _by_name(counts: Mapping[Outcome, int]) -> dict[str, int]:
    """Return counts by the words of the outcomes."""
    return {each.name: count for each, count in counts.items()}


def _words(counts: Mapping[str, int]) -> str:
    """Return counts as a part of a line."""
    return ", ".join(f"{word} {count}" for word, count in counts.items())


def spread(times: Histogram) -> dict[str, float]:
    """Return minimum, percentiles and maximum by name, seconds; none if nothing was recorded."""
    return {name: times.percentile(rank) for name, rank in RANKS.items() if times.count}


def _spread_text(times: Histogram, ranks: Iterable[str] = RANKS) -> str:
    """Return some of the spread as a part of a line, in milliseconds."""
    values = spread(times)
    return " ".join(f"{rank} {format_ms(values[rank])}" for rank in ranks if values)


def _spread_facts(times: Histogram) -> dict[str, float | None] | None:
    """Return the spread for JSON, in milliseconds; None if nothing was recorded."""
    return {rank: to_ms(value) for rank, value in spread(times).items()} or None

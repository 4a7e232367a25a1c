"""Attempts counted by their outcome, and timed, in bounded memory. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from probes.core.outcome import Outcome
from probes.core.result import Result, format_ms, to_ms
from probes.stats.histogram import Histogram

RANKS = {"min": 0, "p50": 50, "p95": 95, "p99": 99, "max": 100}


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


def by_name(counts: Mapping[Outcome, int]) -> dict[str, int]:
    """Return counts by the words of the outcomes."""
    return {each.name: count for each, count in counts.items()}


def words(counts: Mapping[str, int]) -> str:
    """Return counts as a part of a line."""
    return ", ".join(f"{word} {count}" for word, count in counts.items())


def spread(times: Histogram) -> dict[str, float]:
    """Return minimum, percentiles and maximum by name, seconds; none if nothing was recorded."""
    return {name: times.percentile(rank) for name, rank in RANKS.items() if times.count}


def spread_text(times: Histogram, ranks: Iterable[str] = RANKS) -> str:
    """Return some of the spread as a part of a line, in milliseconds."""
    values = spread(times)
    return " ".join(f"{rank} {format_ms(values[rank])}" for rank in ranks if values)


def spread_facts(times: Histogram) -> dict[str, float | None] | None:
    """Return the spread for JSON, in milliseconds; None if nothing was recorded."""
    return {rank: to_ms(value) for rank, value in spread(times).items()} or None

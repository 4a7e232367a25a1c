"""What several tries came to."""

from __future__ import annotations

from collections import Counter

from probes.core.outcome import Outcome
from probes.core.result import Phase, Result, Transport, format_ms, to_ms
from probes.core.target import Target
from probes.stats.histogram import Histogram
from probes.stats.name_counter import Tally

RANKS = {"min": 0, "p50": 50, "p95": 95, "p99": 99, "max": 100}


def spread(times: Histogram) -> dict[str, float]:
    """Minimum, percentiles and maximum by name, seconds; empty when nothing was recorded."""
    return {name: times.percentile(rank) for name, rank in RANKS.items() if times.count}


class Summary:
    """Counts finished tries and keeps their times. What was expected is OK, whatever it was.

    The times of look-up and connect count whenever the try went on, those of the answer and of the
    whole only when it was OK, so that failures that come fast do not look like a fast service.
    """

    def __init__(self, target: Target, transport: Transport) -> None:
        self.outcome = Outcome.OK
        self._target = target
        self._transport = transport
        self._counts: Counter[Outcome] = Counter()
        self._got: Counter[Outcome] = Counter()
        self._is_expecting = False
        self._whole = Histogram()
        self._times = {phase: Histogram() for phase in Phase}
        self._identities = Tally()

    def add(self, result: Result) -> None:
        """Count one try. The first that is not OK decides the outcome of them all."""
        self._counts[result.outcome] += 1
        self._got[result.got] += 1
        self._is_expecting = bool(result.expected)
        if self.outcome is Outcome.OK:
            self.outcome = result.outcome
        if result.got is Outcome.OK:
            self._whole.add(result.elapsed)
        for phase, took in result.seconds.items():
            if _counts(phase, result):
                self._times[phase].add(took)
        if result.identity is not None:
            self._identities.add(result.identity)

    def line(self) -> str:
        """The summary as one line of text."""
        failed = self._failed()
        words = _words(failed)
        counts = (
            f"{self._counts.total()} sent, {self._counts[Outcome.OK]} ok,"
            f" {failed.total()} failed{f' ({words})' if words else ''}"
        )
        named = {"whole": self._whole, **{each.words: took for each, took in self._times.items()}}
        times = [_line(name, took) for name, took in named.items()]
        identities = self._identities.text()
        if unnamed := self._got[Outcome.OK] - self._identities.total:
            identities += f" and {unnamed} without" if identities else ""
        got = f"got {_words(_names(self._got))}" if self._is_expecting else ""
        parts = filter(None, [got, *times, f"by identity: {identities}" if identities else ""])
        return "; ".join([f"SUMMARY {self._transport.to(self._target)} {counts}", *parts])

    def facts(self) -> dict[str, object]:
        """The same facts under names, for JSON; times are null when there are none."""
        return {
            "target": str(self._target),
            "transport": self._transport.value,
            "sent": self._counts.total(),
            "ok": self._counts[Outcome.OK],
            "failed": self._failed(),
            "got": _names(self._got),
            "elapsed_ms": _facts(self._whole),
            **{f"{phase}_ms": _facts(took) for phase, took in self._times.items()},
        }

    def daytime_facts(self) -> dict[str, object]:
        """What JSON says of daytime beyond that: answers by identity, the most frequent first."""
        identities = self._identities
        return {
            "identities": dict(identities.names.most_common()),
            "other_identities": identities.others,
        }

    def _failed(self) -> Counter[str]:
        failed = self._counts.copy()
        del failed[Outcome.OK]
        return _names(failed)


def _names(counts: Counter[Outcome]) -> Counter[str]:
    return Counter({each.name: count for each, count in counts.items()})


def _words(counts: Counter[str]) -> str:
    return ", ".join(f"{word} {count}" for word, count in counts.items())


def _counts(phase: Phase, result: Result) -> bool:
    if phase in (Phase.LOOKUP, Phase.CONNECT):
        return result.phase is not phase
    return result.got is Outcome.OK


def _line(name: str, times: Histogram) -> str:
    values = " ".join(f"{rank} {format_ms(value)}" for rank, value in spread(times).items())
    return f"{name} ms {values}" if values else ""


def _facts(times: Histogram) -> dict[str, float | None] | None:
    return {rank: to_ms(value) for rank, value in spread(times).items()} or None

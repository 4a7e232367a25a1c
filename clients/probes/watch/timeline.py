"""Latency and failures over time, in bounded memory. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

from probes.core.outcome import Outcome
from probes.core.result import Result

# As many as a wide chart can tell apart.
MAX_SLICES = 400


@dataclass
class Slice:
    """The tries that ended in one slice of time, the first of them at `at_s`.

    Those that failed were not as expected; those with an OK answer are timed, in seconds.
    """

    at_s: float
    sent: int = 0
    failed: int = 0
    timed: int = 0
    least_s: float = math.inf
    most_s: float = 0.0
    total_s: float = 0.0

    def add(self, result: Result) -> None:
        """Count one try."""
        self.sent += 1
        if result.outcome is not Outcome.OK:
            self.failed += 1
        if result.got is Outcome.OK:
            took = result.elapsed
            self.merge(Slice(self.at_s, 0, 0, 1, took, took, took))

    def merge(self, other: Slice) -> None:
        """Count all that another slice has."""
        self.sent += other.sent
        self.failed += other.failed
        self.timed += other.timed
        self.least_s = min(self.least_s, other.least_s)
        self.most_s = max(self.most_s, other.most_s)
        self.total_s += other.total_s

    def spread(self) -> tuple[float, ...]:
        """Least, mean and greatest, seconds; nothing when there are none."""
        return (self.least_s, self.total_s / self.timed, self.most_s) if self.timed else ()


class Timeline:
    """Slices of equal length by number, at most 400 of them.

    They begin with `slice_s` seconds, and whenever the run outgrows them, two and two become one.
    """

    def __init__(self, slice_s: float) -> None:
        self.slice_s = slice_s
        self._slices: dict[int, Slice] = {}

    @property
    def slices(self) -> list[Slice]:
        """Those in which a try ended, in the order of time."""
        return [slice_ for _, slice_ in sorted(self._slices.items())]

    def add(self, at_s: float, result: Result) -> None:
        """Count a try that ended at a moment, in seconds since the beginning."""
        while (number := int(at_s / self.slice_s)) >= MAX_SLICES:
            self._double()
        self._slices.setdefault(number, Slice(at_s)).add(result)

    def _double(self) -> None:
        before, self._slices = self._slices, {}
        self.slice_s *= 2
        for number, each in before.items():
            self._slices.setdefault(number // 2, Slice(each.at_s)).merge(each)

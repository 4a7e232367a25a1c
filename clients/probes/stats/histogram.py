"""Durations in bounded memory: percentiles within 1 %, however many are recorded. Pure.

Buckets are log-linear, as in HdrHistogram: every power of two milliseconds is cut into 64 equal
parts, so a value is at most 1/128 of itself away from the middle of its bucket.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

PARTS = 64
# Below a microsecond and above a day and a half nothing is told apart, which bounds the buckets.
LEAST_MS, LEAST_EXPONENT = 2.0**-10, -9  # as frexp has it, whose mantissas begin at 1/2
MOST_MS = math.nextafter(2.0**27, 0)


@dataclass(frozen=True)
class Bar:
    """How many durations lie between two edges, seconds."""

    low: float
    high: float
    count: int


class Histogram:
    """Counts durations, in seconds, in at most 2,368 buckets.

    Count, minimum and maximum are exact. Any other value from 1 microsecond to 37 hours is told
    with a relative error of 0.8 % at most.
    """

    def __init__(self) -> None:
        self.count = 0
        self.min = math.inf
        self.max = -math.inf
        self._buckets: Counter[int] = Counter()

    def add(self, seconds: float) -> None:
        """Count one duration."""
        self._buckets[_bucket(seconds)] += 1
        self.min = min(self.min, seconds)
        self.max = max(self.max, seconds)
        self.count += 1  # last, so that whoever is interrupted here finds all that is counted

    def percentile(self, rank: int) -> float:
        """The nearest-rank percentile, seconds: what `rank` per cent do not exceed.

        Raises ValueError when nothing was recorded.
        """
        if not self.count:
            raise ValueError("no percentile of nothing")
        nth = max(1, -(-rank * self.count // 100))
        if nth == 1:
            return self.min
        if nth == self.count:
            return self.max
        return min(max(self._nth(nth), self.min), self.max)

    def bars(self, most: int) -> list[Bar]:
        """Neighbouring buckets from the least to the greatest; as many are put into one as it takes
        to have no more than `most` of them.
        """
        merged, width = dict(self._buckets), 1
        while merged and max(merged) - min(merged) >= most:
            width *= 2
            merged = _merge(self._buckets, width)
        return [
            Bar(_edge(number * width), _edge((number + 1) * width), merged.get(number, 0))
            for number in range(min(merged, default=0), max(merged, default=-1) + 1)
        ]

    def _nth(self, nth: int) -> float:
        seen = 0
        for bucket, count in sorted(self._buckets.items()):
            seen += count
            if seen >= nth:
                return (_edge(bucket) + _edge(bucket + 1)) / 2
        raise AssertionError("more were counted than are in buckets")


def _bucket(seconds: float) -> int:
    mantissa, exponent = math.frexp(min(max(seconds * 1000, LEAST_MS), MOST_MS))
    return (exponent - LEAST_EXPONENT) * PARTS + int((2 * mantissa - 1) * PARTS)


def _edge(bucket: int) -> float:
    power, part = divmod(bucket, PARTS)
    return math.ldexp(LEAST_MS * (1 + part / PARTS), power) / 1000


def _merge(buckets: Counter[int], width: int) -> dict[int, int]:
    merged: Counter[int] = Counter()
    for bucket, count in buckets.items():
        merged[bucket // width] += count
    return dict(merged)

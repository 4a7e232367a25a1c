"""The histogram of durations: exact where it says so, close everywhere, small for ever."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.stats.histogram import Histogram

RELATIVE_ERROR = 1 / 128
RANKS = (0, 1, 50, 95, 99, 100)

# From a microsecond to a day, evenly over the orders of magnitude.
DURATIONS = st.floats(-6, math.log10(86400)).map(lambda power: 10**power)


def recorded(*seconds: float) -> Histogram:
    """A histogram of these."""
    histogram = Histogram()
    for each in seconds:
        histogram.add(each)
    return histogram


def exact(seconds: list[float], rank: int) -> float:
    """The nearest-rank percentile, from all values."""
    return sorted(seconds)[max(0, math.ceil(rank * len(seconds) / 100) - 1)]


@pytest.mark.parametrize(
    ("rank", "expected"), [(0, 0.001), (1, 0.001), (50, 0.05), (95, 0.095), (99, 0.099), (100, 0.1)]
)
def test_percentile(rank: int, expected: float) -> None:
    """The nearest rank: the smallest value that so many per cent do not exceed."""
    histogram = recorded(*(number / 1000 for number in range(1, 101)))
    assert histogram.percentile(rank) == pytest.approx(expected, rel=RELATIVE_ERROR)


@given(st.lists(DURATIONS, min_size=1))
def test_percentiles_are_close(seconds: list[float]) -> None:
    """Any percentile is within 1/128 of the exact one; count, least and greatest are exact."""
    histogram = recorded(*seconds)
    assert (histogram.count, histogram.min, histogram.max) == (
        len(seconds),
        min(seconds),
        max(seconds),
    )
    for rank in RANKS:
        close = pytest.approx(exact(seconds, rank), rel=RELATIVE_ERROR)
        assert histogram.percentile(rank) == close


@given(st.lists(st.floats(0, allow_infinity=True), min_size=1))
def test_percentiles_are_ordered(seconds: list[float]) -> None:
    """Whatever is recorded, percentiles ascend from the exact minimum to the exact maximum."""
    histogram = recorded(*seconds)
    found = [histogram.percentile(rank) for rank in RANKS]
    assert found == sorted(found)
    assert (found[0], found[-1]) == (min(seconds), max(seconds))


@pytest.mark.parametrize("one", [0.0, 1e-9, 0.0123, 86400.0, 1e12])
def test_one(one: float) -> None:
    """Every percentile of one value is that value, to the last bit."""
    assert {recorded(one).percentile(rank) for rank in RANKS} == {one}


def test_nothing() -> None:
    """Nothing has no percentile and no bars."""
    with pytest.raises(ValueError, match="nothing"):
        Histogram().percentile(50)
    assert Histogram().bars(10) == []


def test_bounded() -> None:
    """No flood of different values makes more than 2,368 buckets."""
    source = random.Random(862)
    histogram = recorded(*(10 ** source.uniform(-12, 12) for _ in range(100_000)))
    assert len(histogram.bars(1_000_000)) <= 2368
    assert len(histogram._buckets) <= 2368


@given(st.lists(DURATIONS, min_size=1), st.sampled_from([1, 2, 7, 48, 5000]))
def test_bars(seconds: list[float], most: int) -> None:
    """No more bars than asked for, edge to edge, and each value is counted in its own."""
    bars = recorded(*seconds).bars(most)
    assert len(bars) <= most
    assert [bar.high for bar in bars[:-1]] == [bar.low for bar in bars[1:]]
    for bar in bars:
        # An edge in seconds is rounded, so a value right on it may fall to either side.
        inside = sum(bar.low * 1.000001 < each < bar.high * 0.999999 for each in seconds)
        about = sum(bar.low * 0.999999 <= each <= bar.high * 1.000001 for each in seconds)
        assert inside <= bar.count <= about
    assert sum(bar.count for bar in bars) == len(seconds)

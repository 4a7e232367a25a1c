"""Latency over time: slices that double, and lose neither extremes nor failures."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.core.outcome import Outcome
from probes.watch.timeline import MAX_SLICES, Timeline
from unit.clients.tries import tried

MOMENTS = st.lists(st.floats(0, 86400 * 365), min_size=1).map(sorted)


def test_slices() -> None:
    """A slice has the moment of its first try, and least, mean and greatest of the OK ones."""
    timeline = Timeline(1.0)
    for at_s, seconds in ((0.25, 0.003), (0.5, 0.001), (2.0, 0.002)):
        timeline.add(at_s, tried(seconds=seconds))
    timeline.add(0.75, tried(Outcome.RESET, 9))
    timeline.add(3.5, tried(Outcome.TIMEOUT, 9))
    assert [(each.at_s, each.sent, each.failed) for each in timeline.slices] == [
        (0.25, 3, 1),
        (2.0, 1, 0),
        (3.5, 1, 1),
    ]
    assert timeline.slices[0].spread() == pytest.approx((0.001, 0.002, 0.003))
    assert timeline.slices[2].spread() == ()


def test_expected_failures() -> None:
    """What was expected has not failed; an answer that was not expected has, and is timed too."""
    timeline = Timeline(1.0)
    timeline.add(0, tried(Outcome.REFUSED, expected=(Outcome.REFUSED,)))
    timeline.add(0, tried(expected=(Outcome.REFUSED,)))
    (only,) = timeline.slices
    assert (only.sent, only.failed, only.timed) == (2, 1, 1)


@given(MOMENTS, st.floats(0.00025, 3600))
def test_bounded(moments: list[float], slice_s: float) -> None:
    """However long the run and however short the interval, there are at most 400 slices, in the
    order of time, and no try is lost: neither the least, nor the greatest, nor a failure.
    """
    timeline = Timeline(slice_s)
    for number, at_s in enumerate(moments):
        timeline.add(at_s, tried(seconds=1 + number))
        timeline.add(at_s, tried(Outcome.RESET))
    slices = timeline.slices
    assert len(slices) <= MAX_SLICES
    assert [each.at_s for each in slices] == sorted(each.at_s for each in slices)
    assert sum(each.failed for each in slices) == sum(each.timed for each in slices) == len(moments)
    assert min(each.least_s for each in slices) == 1
    assert max(each.most_s for each in slices) == len(moments)
    assert math.fsum(each.total_s for each in slices) == sum(range(1, len(moments) + 1))
    assert slices[0].at_s == moments[0]


def test_two_become_one() -> None:
    """Tries at an even pace are spread evenly, however often slices have doubled."""
    timeline = Timeline(0.25)
    for second in range(1600):
        timeline.add(second, tried())
    assert timeline.slice_s == 4.0
    assert [(each.at_s, each.sent) for each in timeline.slices] == [
        (4 * number, 4) for number in range(MAX_SLICES)
    ]

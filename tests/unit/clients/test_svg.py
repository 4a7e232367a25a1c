"""Charts: round axes, and everything in its place."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.core.outcome import Outcome
from probes.stats.histogram import Histogram
from probes.watch.history import History
from probes.watch.svg import MAX_TICKS, Scale, distribution, duration, over_time
from unit.clients.tries import tried

DURATIONS = st.floats(0, 1e6)


@pytest.mark.parametrize(
    ("least", "most", "ticks"),
    [
        (0.0007, 0.0101, ["0.5 ms", "1 ms", "2 ms", "5 ms", "10 ms", "20 ms"]),
        (0.001, 0.001, ["1 ms", "2 ms"]),
        (0.0021, 0.0022, ["2 ms", "5 ms"]),
        (0.0003, 9, ["1 ms", "10 ms", "100 ms", "1 s", "10 s"]),
        (0, 1e9, ["0.001 ms", "0.1 ms", "10 ms", "1 s", "100 s", "10000 s"]),
    ],
)
def test_scale(least: float, most: float, ticks: list[str]) -> None:
    """An axis has a few round ticks of 1, 2 and 5, or of powers of ten, with their unit."""
    assert [duration(tick) for tick in Scale(least, most).ticks()] == ticks


@given(DURATIONS, DURATIONS)
def test_scale_holds_all(one: float, other: float) -> None:
    """On any axis least and most lie between the ends, in order, and so do all ticks."""
    scale = Scale(min(one, other), max(one, other))
    assert 0 <= scale.percent(min(one, other)) <= scale.percent(max(one, other)) <= 100
    assert len(scale.ticks()) in range(1, MAX_TICKS + 1)
    for before, after in pairwise(scale.ticks()):
        assert 0 <= scale.percent(before) < scale.percent(after) <= 100


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.000123, "0.12 ms"), (0.0999, "100 ms"), (0.999, "1 s"), (86400, "86000 s")],
)
def test_duration(seconds: float, text: str) -> None:
    """A label has two digits, and never an exponent."""
    assert duration(seconds) == text


def test_over_time() -> None:
    """A dot for each slice with an OK answer, a mark for each with a failure, a band for a gap."""
    journal = History(1)
    for second, got in enumerate([Outcome.OK] * 4 + [Outcome.REFUSED] * 2 + [Outcome.OK] * 5):
        journal.add(second, tried(got, 0.01 if second == 10 else 0.001))
    svg = over_time(journal)
    dots = re.findall(r'<circle class="mean" cx="([0-9.]+)%" cy="([0-9.]+)%"', svg)
    assert [float(x) for x, _ in dots] == [0, 10, 20, 30, 60, 70, 80, 90, 100]
    assert [float(y) for _, y in dots] == [88] * 8 + [0]
    assert re.findall(r'<line class="failed" x1="([0-9.]+)%"', svg) == ["40.00", "50.00"]
    gap = '<rect class="gap" x="30.00%" width="30.00%" height="100%"><title>gap of 3.0 s</title>'
    assert svg.count('class="gap"') == svg.count(gap) == 1
    assert ">1 ms<" in svg
    assert ">10 ms<" in svg


def test_chart_is_told_in_words() -> None:
    """Who cannot see a chart hears what it shows."""
    journal = History(1)
    journal.add(0, tried())
    for svg in (over_time(journal), distribution(journal.total.latency)):
        title, about = re.findall(r"<title>(.+?)</title><desc>(.+?)</desc>", svg)[0]
        assert f'<svg role="img" aria-label="{title}. {about}">' in svg


def test_nothing_but_failures() -> None:
    """Without an OK answer there is a chart of failures, and no axis is made up."""
    journal = History(1)
    journal.add(0, tried(Outcome.TIMEOUT))
    assert " ms<" not in over_time(journal)
    assert 'class="failed"' in over_time(journal)


@given(st.lists(DURATIONS, min_size=1))
def test_distribution(seconds: list[float]) -> None:
    """Whatever was measured, bars stay within the chart, side by side, the densest at its top."""
    latency = Histogram()
    for each in seconds:
        latency.add(each)
    found = re.findall(r'x="([0-9.]+)%" width="([0-9.]+)%" y="([0-9.]+)%"', distribution(latency))
    bars = [tuple(map(float, bar)) for bar in found]
    assert min(y for _, _, y in bars) == 0
    for x, width, y in bars:
        assert 0 <= x <= x + width <= 100.02
        assert 0 <= y < 100.01
    for (x, width, _), (after, _, _) in pairwise(bars):
        assert after >= x + width - 0.02

"""Charts as inline SVG of any width: where things lie is told in per cent. Pure.

What is in a chart is round numbers and our own words, so there is nothing to escape.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator

from probes.stats.histogram import Bar, Histogram
from probes.watch.history import History
from probes.watch.timeline import Slice

DIGITS = (1, 2, 5)
# From a microsecond to 500,000 seconds.
STEPS_S = [digit * 10.0**power for power in range(-6, 6) for digit in DIGITS]
MAX_TICKS = 6
MAX_BARS = 48
# Of a label below a chart, with a space, in per cent of the chart's width on a phone.
LABEL_WIDTH = 18

# Of the height of a chart over time, in per cent: the plot, and below it a strip for failures.
PLOT_BOTTOM = 88
STRIP_TOP = 94


class Scale:
    """A logarithmic axis for durations, in seconds, with round ones at its ends."""

    def __init__(self, least_s: float, most_s: float) -> None:
        self._first = min(max(bisect_right(STEPS_S, least_s) - 1, 0), len(STEPS_S) - 2)
        last = min(max(bisect_left(STEPS_S, most_s), self._first + 1), len(STEPS_S) - 1)
        self.steps = STEPS_S[self._first : last + 1]

    def percent(self, seconds: float) -> float:
        """Where a duration lies between the ends; what is beyond them lies on them."""
        low, high = self.steps[0], self.steps[-1]
        inside = min(max(seconds, low), high)
        return 100 * (math.log(inside / low) / math.log(high / low))

    def ticks(self) -> list[float]:
        """A few round durations."""
        if len(self.steps) <= MAX_TICKS:
            return self.steps
        decades = self.steps[-self._first % len(DIGITS) :: len(DIGITS)]
        return decades[:: math.ceil(len(decades) / MAX_TICKS)]


def duration(seconds: float) -> str:
    """A duration in two digits, with its unit."""
    rounded = float(f"{seconds:.2g}")
    return f"{rounded:g} s" if rounded >= 1 else f"{rounded * 1000:g} ms"


def over_time(history: History) -> str:
    """Latency, failures and gaps from the beginning to the last try."""
    latency, ended_s = history.total.latency, history.total.ended_s
    scale = Scale(latency.min, latency.max)
    ticks = scale.ticks() if latency.count else []
    heights = [(_height(scale, tick), duration(tick)) for tick in ticks]
    slices = history.timeline.slices
    drawing = [
        *(_gap(gap.began_s, gap.ended_s, ended_s) for gap in history.outages.kept),
        *(_grid(height) for height, _ in heights),
        *(_latency(each, scale, ended_s) for each in slices if each.timed),
        *(_failures(each, ended_s) for each in slices if each.failed),
    ]
    about = (
        "Each dot is the mean latency of the OK tries at one time, each bar their least to their"
        " greatest. A band is a gap, a mark below the plot a try that was not as expected."
    )
    return _figure("Latency over time", about, drawing, heights)


def distribution(latency: Histogram) -> str:
    """How many of the OK tries took how long: the area of a bar is their number."""
    bars = [bar for bar in latency.bars(MAX_BARS) if bar.count]
    scale = Scale(bars[0].low, bars[-1].high)
    densest = max(_density(bar) for bar in bars)
    drawing = [_bar(bar, scale, densest) for bar in bars]
    about = "The area of each bar is the number of OK tries that took that long."
    figure = _figure("Distribution of latency", about, drawing, [])
    return f'{figure}\n<div class="x" aria-hidden="true">{"".join(_labels(scale))}</div>'


def _figure(
    title: str, about: str, drawing: Iterable[str], heights: Iterable[tuple[float, str]]
) -> str:
    labels = "".join(f'<span style="top:{height:.2f}%">{label}</span>' for height, label in heights)
    return (
        f'<div class="chart"><div class="y" aria-hidden="true">{labels}</div>'
        f'<svg role="img" aria-label="{title}. {about}"><title>{title}</title>'
        f"<desc>{about}</desc>{''.join(drawing)}</svg></div>"
    )


def _height(scale: Scale, seconds: float) -> float:
    return PLOT_BOTTOM * (1 - scale.percent(seconds) / 100)


def _x(moment_s: float, ended_s: float) -> float:
    return 100 * moment_s / ended_s if ended_s else 0.0


def _grid(height: float) -> str:
    return f'<line class="grid" x1="0" x2="100%" y1="{height:.2f}%" y2="{height:.2f}%"/>'


def _gap(began_s: float, gap_ended_s: float, ended_s: float) -> str:
    x, width = _x(began_s, ended_s), _x(gap_ended_s - began_s, ended_s)
    title = f"<title>gap of {gap_ended_s - began_s:.1f} s</title>"
    return f'<rect class="gap" x="{x:.2f}%" width="{width:.2f}%" height="100%">{title}</rect>'


def _latency(slice_: Slice, scale: Scale, ended_s: float) -> str:
    x = f"{_x(slice_.at_s, ended_s):.2f}%"
    least, mean, most = (f"{_height(scale, took):.2f}%" for took in slice_.spread())
    bar = f'<line class="range" x1="{x}" x2="{x}" y1="{least}" y2="{most}"/>'
    return f'{bar}<circle class="mean" cx="{x}" cy="{mean}" r="2"/>'


def _failures(slice_: Slice, ended_s: float) -> str:
    x = f"{_x(slice_.at_s, ended_s):.2f}%"
    return f'<line class="failed" x1="{x}" x2="{x}" y1="{STRIP_TOP}%" y2="100%"/>'


def _density(bar: Bar) -> float:
    return bar.count / math.log(bar.high / bar.low)


def _bar(bar: Bar, scale: Scale, densest: float) -> str:
    left, right = scale.percent(bar.low), scale.percent(bar.high)
    height = 100 * (_density(bar) / densest)
    return (
        f'<rect class="bar" x="{left:.2f}%" width="{right - left:.2f}%"'
        f' y="{100 - height:.2f}%" height="{height:.2f}%"/>'
    )


def _labels(scale: Scale) -> Iterator[str]:
    ends = {0.0: "first", 100.0: "last"}
    free = 1.5 * LABEL_WIDTH  # the first one does not lie about its tick, but right of it
    for step in scale.steps:
        left = scale.percent(step)
        if left in ends or free <= left <= 100 - 1.5 * LABEL_WIDTH:
            place = ends.get(left, "middle")
            yield f'<span class="{place}" style="left:{left:.2f}%">{duration(step)}</span>'
            free = max(free, left + LABEL_WIDTH)

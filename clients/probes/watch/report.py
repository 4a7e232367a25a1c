"""The report of a watch as a page. Pure.

However long the run, the page is bounded: 400 slices of time, 48 bars, and 100 rows of gaps and of
those who answered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from time import localtime, strftime

from probes import __version__
from probes.core.outcome import Outcome
from probes.watch.history import History
from probes.watch.html import page, table
from probes.watch.svg import MAX_BARS, distribution, over_time
from probes.watch.timeline import Timeline

MAX_ROWS = 100
# Least, mean and greatest where nothing was timed.
NO_TIMES = ["", "", ""]
RANKS = (0, 50, 90, 95, 99, 100)


def report(
    title: str, facts: Mapping[str, str], history: History, began: float, *, is_over: bool = True
) -> str:
    """The page on a run that began at a moment of Unix time; `facts` tell how it was made."""
    clock = Clock(began)
    parts = [
        _verdict(history),
        "" if is_over else '<p class="soft">The run was not over when this was written.</p>',
        _over_time(history, clock),
        _gaps(history, clock),
        _latency(history),
        _outcomes(history),
        _answers(history, clock),
        _facts(facts, history, clock),
    ]
    return page(title, "\n".join(filter(None, parts)))


class Clock:
    """Tells moments of a run as a clock on the wall does, in the zone of who made the run."""

    def __init__(self, began: float) -> None:
        self._began = began

    def date(self, moment_s: float) -> str:
        """Date, time and distance from UTC."""
        return self._form("%Y-%m-%d %H:%M:%S %z", moment_s)

    def time(self, moment_s: float) -> str:
        """The time to a tenth of a second, and the date unless it is that of the beginning."""
        is_same_day = self._form("%F", moment_s) == self._form("%F", 0)
        tenth = int((self._began + moment_s) % 1 * 10)
        return f"{self._form('%H:%M:%S' if is_same_day else '%m-%d %H:%M:%S', moment_s)}.{tenth}"

    def _form(self, form: str, moment_s: float) -> str:
        # Not by datetime, which refuses zones that are a day away or more.
        return strftime(form, localtime(self._began + moment_s))


def _verdict(history: History) -> str:
    total = history.total
    counts = f"{total.as_expected.total()} of {total.sent} tries were as expected"
    if not total.failed:
        return f"<p>{counts}.</p>"
    return f'<p class="bad">{counts}; {history.outages.line()}.</p>'


def _over_time(history: History, clock: Clock) -> str:
    ended_s = history.total.ended_s
    labels = "".join(f"<span>{clock.time(ended_s * part)}</span>" for part in (0, 0.5, 1))
    legend = (
        f"Whole tries with an OK answer, from look-up to last byte. {_dots(history.timeline)}"
        " Red bands are gaps, red marks below are tries that were not as expected."
    )
    if any(each is not Outcome.OK for each in history.total.as_expected):
        legend += " What was expected but not OK has neither dot nor mark."
    return (
        f"<h2>Latency over time</h2>\n{over_time(history)}\n"
        f'<div class="x times" aria-hidden="true">{labels}</div>\n'
        f'<p class="soft">{legend}</p>\n{_slices(history, clock)}'
    )


def _dots(timeline: Timeline) -> str:
    if all(each.timed <= 1 for each in timeline.slices):
        return "A dot is one of them."
    span = f"{timeline.slice_s:.3g} s"
    return f"A dot is the mean of those in {span}, a bar goes from the least to the greatest."


def _slices(history: History, clock: Clock) -> str:
    heads = ("from", "tries", "failed", "min, ms", "mean, ms", "max, ms")
    rows = [
        (
            clock.time(each.at_s),
            each.sent,
            each.failed,
            *([_ms(s) for s in each.spread()] or NO_TIMES),
        )
        for each in history.timeline.slices
    ]
    return _details(heads, rows)


def _gaps(history: History, clock: Clock) -> str:
    rows = [
        (
            clock.time(gap.began_s) if gap.follows_good else "none before",
            clock.time(gap.ended_s) if gap.is_over else "not over",
            f"{gap.seconds:.1f}",
            ", ".join(f"{each.name} {count}" for each, count in gap.failed.items()),
        )
        for gap in history.outages.kept
    ]
    heads = ("last good", "next good", "gap, s", "tries between")
    left_out = history.outages.count - len(rows)
    return _section("Gaps", heads, rows, f"{left_out} shorter gaps" if left_out else "")


def _latency(history: History) -> str:
    latency = history.total.latency
    if not latency.count:
        return ""
    names = {0: "min", 100: "max"}
    rows = [(names.get(rank, f"p{rank}"), _ms(latency.percentile(rank))) for rank in RANKS]
    counts = [(_ms(bar.high), bar.count) for bar in latency.bars(MAX_BARS)]
    legend = "The area of a bar is the number of those that took so long. Scales are logarithmic."
    return (
        f"<h2>Distribution of latency</h2>\n{distribution(latency)}\n"
        f'<p class="soft">{legend}</p>\n'
        f"{_details(('below, ms', 'tries'), counts)}\n{table(('', 'ms'), rows)}"
    )


def _outcomes(history: History) -> str:
    total = history.total
    rows = [
        (each.name, verdict, count, f"{100 * count / total.sent:.2f}")
        for verdict, counts in (("yes", total.as_expected), ("no", total.failed))
        for each, count in counts.most_common()
    ]
    return _section("Outcomes", ("outcome", "as expected", "tries", "share, %"), rows)


def _answers(history: History, clock: Clock) -> str:
    answers = history.total.answers
    shown = [each for each in answers.names.most_common() if each[0] in history.seen_s][:MAX_ROWS]
    rows = [(name, count, *map(clock.time, history.seen_s[name])) for name, count in shown]
    others = answers.total - sum(count for _, count in shown)
    left_out = f"{others} answers by others" if others else ""
    return _section("Who answered", ("by", "answers", "first", "last"), rows, left_out, "names")


def _facts(facts: Mapping[str, str], history: History, clock: Clock) -> str:
    ended_s = history.total.ended_s
    times = {
        "from": clock.date(0),
        "to": clock.date(ended_s),
        "lasted": f"{ended_s:.1f} s",
        "made by": f"probe {__version__}",
    }
    return _section("The run", (), [*facts.items(), *times.items()])


def _section(
    title: str,
    heads: Sequence[str],
    rows: Sequence[Sequence[object]],
    left_out: str = "",
    kind: str = "",
) -> str:
    if not rows:
        return ""
    note = f'\n<p class="soft">Left out: {left_out}.</p>' if left_out else ""
    return f"<h2>{title}</h2>\n{table(heads, rows, kind)}{note}"


def _details(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    return f"<details><summary>As a table</summary>\n{table(heads, rows)}\n</details>"


def _ms(seconds: float) -> str:
    ms = seconds * 1000
    return f"{ms:.0f}" if ms >= 100 else f"{ms:.3g}"

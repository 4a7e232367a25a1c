"""What a watch shows while it runs: one live line on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable

from probes.console.terminal import Printer, coloured, columns, is_terminal
from probes.core.outcome import Outcome
from probes.core.result import Result, clock_time
from probes.core.text import escape
from probes.stats.summary import Interval
from probes.watch.history import Event

# A person cannot read it more often, and a slow terminal would hold up the attempts.
MIN_PAUSE_S = 0.1
# Back to the first column, and after the text erase what is left of a longer one.
LINE_START, ERASE_REST = "\r", "\x1b[K"
MORE = "..."


class LiveLine:
    """Events as they come, and below them one line on the whole run, rewritten with every try."""

    def __init__(self, printer: Printer, total: Interval) -> None:
        self._printer = printer
        self._total = total
        self._shown_s = 0.0

    def take(self, at_s: float, result: Result, events: Iterable[Event]) -> None:
        """Show the events, and rewrite the line, unless that was done a moment ago."""
        for each in events:
            self._rewrite("")
            show_event(self._printer, each)
        if events or time.monotonic() - self._shown_s >= MIN_PAUSE_S:
            self._rewrite(f"{clock_time(result.ended)} ", self._total.line(), result.outcome)
            self._shown_s = time.monotonic()

    def end(self) -> None:
        """Make room for the summary."""
        self._rewrite("")

    def _rewrite(self, lead: str, text: str = "", outcome: Outcome | None = None) -> None:
        # In its last column a line would already break.
        width = columns(sys.stdout) - 1
        line = cut(escape(text).expandtabs(), max(0, width - len(lead)))
        shown = f"{lead[:width]}{coloured(line, outcome, sys.stdout)}"
        print(f"{LINE_START}{shown}{ERASE_REST}", end="", flush=True)


class Lines:
    """Events as they come, and a line on the tries of every so many seconds, as text or JSON."""

    def __init__(self, printer: Printer, every_s: float) -> None:
        self._printer = printer
        self._interval = Interval(None)
        self._every_s = every_s
        self._due_s = every_s
        self._ended = 0.0

    def take(self, at_s: float, result: Result, events: Iterable[Event]) -> None:
        """Show the events, and the line when it is due."""
        self._interval.add(at_s, result)
        self._ended = result.ended
        for each in events:
            show_event(self._printer, each)
        if at_s >= self._due_s:
            late_s = at_s - self._due_s
            self._due_s = at_s + self._every_s - late_s % self._every_s
            self._show_interval()

    def end(self) -> None:
        """Show the line on the tries since the last one, if there are any."""
        if self._interval.sent:
            self._show_interval()

    def _show_interval(self) -> None:
        interval, self._interval = self._interval, Interval(self._interval.ended_s)
        line = f"{clock_time(self._ended)} {interval.line()}"
        self._printer.show("interval", self._ended, interval.facts(), line)


Display = LiveLine | Lines


def display_for(printer: Printer, every_s: float, total: Interval) -> Display:
    """Return the display that suits stdout; `total` is what a live line is about."""
    is_live = is_terminal(sys.stdout) and not printer.is_json
    return LiveLine(printer, total) if is_live else Lines(printer, every_s)


def cut(text: str, most: int) -> str:
    """`text` in so many characters at most; dots at its end say that there is more."""
    return text if len(text) <= most else f"{text[: max(0, most - len(MORE))]}{MORE}"[:most]


def show_event(printer: Printer, event: Event) -> None:
    """Show one event."""
    printer.show(event.kind, event.time, event.facts, event.text, event.outcome, event.lead)

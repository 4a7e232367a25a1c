"""What a watch shows while it runs: one live line on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable
from typing import Protocol

from probes.console.terminal import coloured, columns, is_terminal, show, show_json
from probes.core.outcome import Outcome
from probes.core.result import Result, clock_time
from probes.core.text import escape
from probes.stats.interval import Stretch
from probes.watch.history import News

# More often nobody can read it, and a slow terminal would hold up the tries.
MIN_PAUSE_S = 0.1
# Back to the first column, and after the text erase what is left of a longer one.
LINE_START, ERASE_REST = "\r", "\x1b[K"
MORE = "..."


class Display(Protocol):
    """Is told of every try, and of the end."""

    def take(self, at_s: float, result: Result, news: Iterable[News]) -> None:
        """Show what there is to show of a try that ended at a moment, and of what it changed."""

    def end(self) -> None:
        """Show what is left."""


def display_for(options: argparse.Namespace, total: Stretch) -> Display:
    """The display that suits the output; `total` is what a live line is about."""
    live = is_terminal(sys.stdout) and not options.json
    return LiveLine(total) if live else Lines(options)


class LiveLine:
    """News as they come, and below them one line on the whole run, rewritten with every try."""

    def __init__(self, total: Stretch) -> None:
        self._total = total
        self._shown_s = 0.0

    def take(self, at_s: float, result: Result, news: Iterable[News]) -> None:
        """Show the news, and rewrite the line, unless that was done a moment ago."""
        for each in news:
            self._rewrite("")
            tell(each)
        if news or time.monotonic() - self._shown_s >= MIN_PAUSE_S:
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
    """News as they come, and a line on the tries of every so many seconds, as text or JSON."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._stretch = Stretch(None)
        self._due_s = options.every
        self._ended = 0.0

    def take(self, at_s: float, result: Result, news: Iterable[News]) -> None:
        """Show the news, and the line when it is due."""
        self._stretch.add(at_s, result)
        self._ended = result.ended
        for each in news:
            if self._options.json:
                self._show_json(each.kind, each.time, each.facts())
            else:
                tell(each)
        if at_s >= self._due_s:
            late_s = at_s - self._due_s
            self._due_s = at_s + self._options.every - late_s % self._options.every
            self._show_stretch()

    def end(self) -> None:
        """Show the line on the tries since the last one, if there are any."""
        if self._stretch.sent:
            self._show_stretch()

    def _show_stretch(self) -> None:
        stretch, self._stretch = self._stretch, Stretch(self._stretch.ended_s)
        if self._options.json:
            self._show_json("interval", self._ended, stretch.facts())
        else:
            show(f"{clock_time(self._ended)} {stretch.line()}")

    def _show_json(self, kind: str, moment: float, facts: dict[str, object]) -> None:
        options = self._options
        of = {"protocol": options.protocol, "target": str(options.target)}
        show_json(kind, moment, {**of, "transport": options.transport.value, **facts})


def cut(text: str, most: int) -> str:
    """`text` in so many characters at most; dots at its end say that there is more."""
    return text if len(text) <= most else f"{text[: max(0, most - len(MORE))]}{MORE}"[:most]


def tell(news: News) -> None:
    """Show one piece of news as text."""
    show(news.text, news.outcome, news.lead)

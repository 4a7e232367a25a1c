"""One run of probe watch, from the first try to the report."""

from __future__ import annotations

import argparse
import time
from functools import cached_property

from probes.cli.attempt import attempt
from probes.cli.display import Display, display_for
from probes.cli.series import paced, show_summary
from probes.console.interrupts import finish, held_back
from probes.console.report_file import refresh, reported
from probes.core.outcome import EXIT_INTERRUPTED
from probes.core.result import to_ms
from probes.stats.summary import Summary
from probes.watch.history import Journal
from probes.watch.report import report

# The moments of tries are exact until there are as many as a fourth of all slices.
SLICES_AN_INTERVAL = 4


def watch(options: argparse.Namespace) -> int:
    """Watch, write the report and show the summary; returns the exit code."""
    watching = Watch(options)
    return reported(options.report, watching.run, watching.page, watching.sum_up)


class Watch:
    """One run: its tries, what is shown of them, and what is remembered."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._summary = Summary(options.target, options.transport)
        self._journal = Journal(options.interval / SLICES_AN_INTERVAL)
        self._began = time.time()
        self._began_s = time.monotonic()
        self._asked_s: float | None = None  # when the try under way began
        self._unfinished_s: float | None = None  # how long it had taken when the run ended
        self._refresh_s = options.every  # when the report is due to be written anew
        self._is_over = False

    def run(self) -> int:
        """Make all tries; returns the exit code."""
        interrupted = False
        try:
            for _ in paced(self._options.count, self._options.interval):
                self._try()
            finish()
        except KeyboardInterrupt:
            interrupted = True
        finally:  # also when nobody reads what is shown
            self._end()
        return EXIT_INTERRUPTED if interrupted else self._summary.outcome.exit_code

    def page(self) -> str:
        """The report on the tries so far."""
        options = self._options
        facts = {
            "from try to try": f"{options.interval:g} s, or as long as a try takes",
            "a try may take": f"{options.timeout:g} s",
            "expected": ", ".join(each.name for each in options.expect) or "OK",
        }
        if self._unfinished_s is not None:
            facts["last try, not over"] = f"{self._unfinished_s:.1f} s"
        title = f"{options.protocol} {options.transport.to(options.target)}"
        return report(title, facts, self._journal, self._began, is_over=self._is_over)

    def sum_up(self, exit_code: int) -> None:
        """Show what is left of the lines, and the summary of the tries so far."""
        self._display.end()
        gaps, took = self._journal.gaps, self._unfinished_s
        more = {**gaps.facts(), "unfinished_ms": to_ms(took)}
        parts = [gaps.line(), "" if took is None else f"{took:.1f} s into a try"]
        text = "; ".join(filter(None, parts))
        show_summary(self._options, self._summary, exit_code, more, text)

    def _end(self) -> None:
        now, self._is_over = self._now(), True
        self._journal.end(now)
        if self._asked_s is not None:
            self._unfinished_s = now - self._asked_s

    def _now(self) -> float:
        return time.monotonic() - self._began_s

    @cached_property
    def _display(self) -> Display:
        # Not before the run: which output lines go to depends on the report.
        return display_for(self._options, self._journal.total)

    def _try(self) -> None:
        self._asked_s = self._now()
        result = attempt(self._options)
        with held_back():
            at_s, self._asked_s = self._now(), None
            self._summary.add(result)
            self._display.take(at_s, result, self._journal.add(at_s, result))
        if at_s >= self._refresh_s:
            refresh(self._options.report, self.page)
            self._refresh_s = self._now() + self._options.every

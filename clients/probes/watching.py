"""One run of probe watch, from the first try to the report."""

from __future__ import annotations

import argparse
import time

from probes.attempt import attempt
from probes.commands import EXIT_INTERRUPTED
from probes.display import Display, display_for
from probes.journal import Journal
from probes.report import report
from probes.reporting import reported
from probes.series import paced, show_summary
from probes.summary import Summary

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

    def run(self) -> int:
        """Make all tries; returns the exit code."""
        display = display_for(self._options, self._journal.total)
        interrupted = False
        try:
            for _ in paced(self._options.count, self._options.interval):
                self._try(display)
        except KeyboardInterrupt:
            interrupted = True
        display.end()
        return EXIT_INTERRUPTED if interrupted else self._summary.outcome.exit_code

    def page(self) -> str:
        """The report on the tries so far."""
        options = self._options
        facts = {
            "from try to try": f"{options.interval:g} s, or as long as a try takes",
            "a try may take": f"{options.timeout:g} s",
            "expected": ", ".join(each.name for each in options.expect) or "OK",
        }
        title = f"{options.protocol} {options.transport.to(options.target)}"
        return report(title, facts, self._journal, self._began)

    def sum_up(self, exit_code: int) -> None:
        """Show the summary of the tries so far."""
        show_summary(self._options, self._summary, exit_code, self._journal.gaps)

    def _try(self, display: Display) -> None:
        result = attempt(self._options)
        at_s = time.monotonic() - self._began_s
        self._summary.add(result)
        display.take(at_s, result, self._journal.add(at_s, result))

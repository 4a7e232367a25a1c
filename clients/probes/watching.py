"""One run of probe watch, from the first try to the report."""

from __future__ import annotations

import argparse
import signal
import time

from probes.attempt import attempt
from probes.commands import EXIT_INTERRUPTED
from probes.display import display_for
from probes.journal import Journal
from probes.replacement import check_replaceable, replace, writes
from probes.report import report
from probes.series import paced, show_summary
from probes.summary import Summary
from probes.terminal import EXIT_WRITE_ERROR

# The moments of tries are exact until there are as many as a fourth of all slices.
SLICES_AN_INTERVAL = 4


def watch(options: argparse.Namespace) -> int:
    """Watch, write the report and show the summary; returns the exit code."""
    # Stopped by `kill` or by an engine it has as much to tell as when stopped by hand, and in a
    # container, where it may be process 1, it would not even be stopped otherwise.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    has_report = options.report is not None
    if has_report and not writes(check_replaceable, options.report):
        return EXIT_WRITE_ERROR
    watching = Watch(options)
    try:
        exit_code = watching.run()
    finally:
        is_written = not has_report or writes(replace, options.report, watching.page())
    if not is_written:
        exit_code = EXIT_WRITE_ERROR
    show_summary(options, watching.summary, exit_code)
    return exit_code


class Watch:
    """One run: its tries, what is shown of them, and what is remembered."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.summary = Summary(options.target, options.transport)
        self._options = options
        self._journal = Journal(options.interval / SLICES_AN_INTERVAL)
        self._display = display_for(options, self._journal.total)
        self._began = time.time()
        self._began_s = time.monotonic()

    def run(self) -> int:
        """Make all tries; returns the exit code."""
        interrupted = False
        try:
            for _ in paced(self._options.count, self._options.interval):
                self._try()
        except KeyboardInterrupt:
            interrupted = True
        self._display.end()
        return EXIT_INTERRUPTED if interrupted else self.summary.outcome.exit_code

    def page(self) -> str:
        """The report on the tries so far."""
        options = self._options
        facts = {
            "one try every": f"{options.interval:g} s",
            "a try may take": f"{options.timeout:g} s",
            "expected": ", ".join(each.name for each in options.expect) or "OK",
        }
        title = f"{options.protocol} {options.transport.to(options.target)}"
        return report(title, facts, self._journal, self._began)

    def _try(self) -> None:
        result = attempt(self._options)
        at_s = time.monotonic() - self._began_s
        self.summary.add(result)
        self._display.take(at_s, result, self._journal.add(at_s, result))

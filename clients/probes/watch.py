"""probe watch: try until stopped, tell what changes when it does, and all of it on one page."""

from __future__ import annotations

import argparse
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from probes.attempt import add_protocols, attempt
from probes.commands import EXIT_INTERRUPTED
from probes.display import display_for
from probes.journal import Journal
from probes.options import Parser, seconds
from probes.outcome import PROBE_OUTCOMES, outcome_table
from probes.replacement import check_replaceable, replace
from probes.report import report
from probes.series import add_pace, paced, show_summary
from probes.summary import Summary
from probes.terminal import EXIT_WRITE_ERROR, complain, quote

DEFAULT_EVERY_S = 10.0
# The moments of tries are exact until there are as many as a fourth of all slices.
SLICES_AN_INTERVAL = 4

EPILOG = f"""\
outcomes and exit codes:
{outcome_table(PROBE_OUTCOMES)}

A line tells at once when the outcome changes, how long a gap lasted, from the last try that came as
expected to the next, and who answers for the first time: by the name in daytime's line, else by
address. Between these, a terminal has one line on the whole run, rewritten with every try; anything
else, and --json, a line on the tries of every --every seconds.

It ends after --count tries, or by Ctrl-C or SIGTERM, which exit with 130, with the line SUMMARY and
the report. Without these it exits with 0 when all tries were as expected, else with the code of the
first that was not; with 23 when the report cannot be written, which is tried before the first try.

The report is one HTML page without script, of bounded size: latency over time, gaps, distribution,
outcomes, and who answered when. It is written at the end, and replaces the file as a whole.

examples:
  probe watch daytime localhost:1200
  probe watch echo localhost:1201 --udp --interval 0.2 --count 50 --report echo.html
  probe watch daytime localhost:1200 --count 3 --every 60 --json
"""


def add_command(commands: Any) -> None:
    """Add `watch`."""
    about = "try until stopped, and tell what changes when it does"
    parser = commands.add_parser(
        "watch", help=about, description=f"{about.capitalize()}.", epilog=EPILOG
    )
    protocols = parser.add_subparsers(metavar="protocol", required=True)
    for protocol in add_protocols(protocols, run, EPILOG):
        _add_options(protocol)


def _add_options(parser: Parser) -> None:
    add_pace(parser, count=None)
    parser.add_argument(
        "--every",
        metavar="S",
        type=seconds,
        default=DEFAULT_EVERY_S,
        help="seconds that a line is about, but for terminals (default: %(default)g)",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object per line")
    parser.add_argument(
        "--report", metavar="FILE", type=Path, help="write a page about the run (HTML)"
    )


def run(options: argparse.Namespace) -> int:
    """Watch, and then show the summary and write the report; returns the exit code."""
    # Stopped by `kill` or by an engine it has as much to tell as when stopped by hand, and in a
    # container, where it may be process 1, it would not even be stopped otherwise.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if options.report and not _writes(check_replaceable, options.report):
        return EXIT_WRITE_ERROR
    watch = Watch(options)
    try:
        exit_code = watch.run()
    finally:
        is_written = not options.report or _writes(replace, options.report, watch.page())
    if not is_written:
        exit_code = EXIT_WRITE_ERROR
    show_summary(options, watch.summary, exit_code)
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


def _writes(write: Callable[..., None], path: Path, *text: str) -> bool:
    try:
        write(path, *text)
    except OSError as error:
        complain(f"cannot write the report {quote(str(path))}: {error.strerror}")
        return False
    return True

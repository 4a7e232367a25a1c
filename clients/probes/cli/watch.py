"""probe watch: try until stopped, tell what changes when it does, and all of it on one page."""

from __future__ import annotations

import argparse
import time

from probes.cli.attempts import add_attempt_options, attempt_options, show_summary
from probes.cli.options import Parser, add_json, add_pace, add_report, seconds
from probes.cli.probe import COMMANDS
from probes.console.interrupts import Run, held_back
from probes.console.report_file import ReportFile
from probes.console.terminal import Printer
from probes.core.outcome import EXIT_INTERRUPTED, PROBE_OUTCOMES, outcome_table
from probes.core.result import Protocol, to_ms
from probes.protocols.attempt import AttemptOptions, attempt
from probes.protocols.repeat import paced
from probes.stats.summary import Summary
from probes.watch.history import History
from probes.watch.live import Display, display_for
from probes.watch.report import report

# A lost SYN is sent again after a second.
DEFAULT_TIMEOUT_S = 2.0
DEFAULT_EVERY_S = 10.0

EPILOG = f"""\
outcomes and exit codes:
{outcome_table(PROBE_OUTCOMES)}

A line tells at once when the outcome changes, how long a gap lasted, from the last try that came as
expected to the next, and who answers for the first time: by the name in daytime's line, else by
address. In one gap each outcome is reported once. Between these, a terminal has one line on the
whole run, rewritten with every try; anything else, and --json, a line on the tries of every --every
seconds.

Tries are made one after the other: where one takes longer than --interval, the next is late. So a
short --timeout shows more exactly when silence began and ended.

It ends after --count tries, or by Ctrl-C, SIGTERM or SIGHUP, which exit with 130, with the line
SUMMARY and the report. Without these it exits with 0 when all tries were as expected, else with the
code of the first that was not; with 23 when the report cannot be written, which is tried before the
first try.

The report is one HTML page without script, of bounded size: latency over time, gaps, distribution,
outcomes, and who answered when. It is written before the first try, every --every seconds and at
the end, each time as a whole in place of what is there.

examples:
  probe watch daytime localhost:1200
  probe watch echo localhost:1201 --udp --interval 0.2 --count 50 --report echo.html
  probe watch daytime localhost:1200 --count 3 --every 60 --json
"""

# The moments of attempts are exact until there are as many as a fourth of all slices.
SLICES_AN_INTERVAL = 4


def configure(parser: Parser, _: str) -> None:
    """Add a command for each protocol."""
    parser.epilog = EPILOG
    protocols = parser.add_subparsers(metavar="protocol", required=True)
    for protocol in Protocol:
        about = COMMANDS[protocol][1]
        description = f"{parser.description} In each try: {about.capitalize()}."
        command = protocols.add_parser(protocol, help=about, description=description, epilog=EPILOG)
        command.set_defaults(run=run)
        add_attempt_options(command, protocol)
        _add_options(command)


def _add_options(parser: Parser) -> None:
    parser.set_defaults(timeout=DEFAULT_TIMEOUT_S)
    add_pace(parser, count=None)
    parser.add_argument(
        "--every",
        metavar="S",
        type=seconds,
        default=DEFAULT_EVERY_S,
        help="seconds from line to line where it is no terminal, and from one writing of the report"
        " to the next (default: %(default)g)",
    )
    add_json(parser)
    add_report(parser, "--report", "write a page about the run (HTML)")


def run(parsed: argparse.Namespace) -> int:
    """Watch, write the report and show the summary; returns the exit code."""
    options = attempt_options(parsed)
    watch = Watch(options, parsed.count, parsed.interval)
    report = ReportFile(parsed.report, watch.page)
    about = {"protocol": options.protocol, "target": str(options.target)}
    printer = Printer({**about, "transport": options.transport}, is_json=parsed.json)
    with report.lines_beside():
        # Not earlier: the display depends on where the lines go.
        display = display_for(printer, parsed.every, watch.history.total)
        with report.written():
            exit_code = watch.run(display, report, parsed.every)
        exit_code = report.exit_code or exit_code
        display.end()
        show_summary(parsed, watch.summary, exit_code, *watch.more())
    return exit_code


class Watch:
    """One run: its attempts, and what is remembered of them."""

    def __init__(self, options: AttemptOptions, count: int | None, interval_s: float) -> None:
        self.summary = Summary(options.target, options.transport)
        self.history = History(interval_s / SLICES_AN_INTERVAL)
        self._options = options
        self._count = count
        self._interval_s = interval_s
        self._began = time.time()
        self._began_s = time.monotonic()
        self._started_s: float | None = None  # when the attempt under way began
        self._unfinished_s: float | None = None  # how long it had taken when the run ended
        self._is_over = False

    def run(self, display: Display, report: ReportFile, every_s: float) -> int:
        """Make all attempts, refreshing the report meanwhile; returns the exit code."""
        refresh_s = every_s
        try:
            with Run() as run:
                for _ in paced(self._count, self._interval_s):
                    if self._attempt(display) >= refresh_s:
                        report.refresh()
                        refresh_s = self._now() + every_s
        finally:  # also if an output has no reader
            self._end()
        return EXIT_INTERRUPTED if run.is_interrupted else self.summary.outcome.exit_code

    def page(self) -> str:
        """Return the report on the attempts so far."""
        options = self._options
        facts = {
            "from try to try": f"{self._interval_s:g} s, or as long as a try takes",
            "a try may take": f"{options.timeout_s:g} s",
            "expected": ", ".join(each.name for each in options.expected) or "OK",
        }
        if self._unfinished_s is not None:
            facts["last try, not over"] = f"{self._unfinished_s:.1f} s"
        title = f"{options.protocol} {options.transport.to(options.target)}"
        return report(title, facts, self.history, self._began, is_over=self._is_over)

    def more(self) -> tuple[dict[str, object], str]:
        """Return what a watch adds to the summary, for JSON and as text."""
        outages, took = self.history.outages, self._unfinished_s
        unfinished = "" if took is None else f"{took:.1f} s into a try"
        text = "; ".join(filter(None, [outages.line(), unfinished]))
        return {**outages.facts(), "unfinished_ms": to_ms(took)}, text

    def _attempt(self, display: Display) -> float:
        self._started_s = self._now()
        result = attempt(self._options)
        with held_back():
            at_s, self._started_s = self._now(), None
            self.summary.add(result)
            display.take(at_s, result, self.history.add(at_s, result))
        return at_s

    def _end(self) -> None:
        now, self._is_over = self._now(), True
        self.history.end(now)
        if self._started_s is not None:
            self._unfinished_s = now - self._started_s

    def _now(self) -> float:
        return time.monotonic() - self._began_s

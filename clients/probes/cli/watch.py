"""probe watch: try until stopped, tell what changes when it does, and all of it on one page."""

from __future__ import annotations

import argparse
from typing import Any

from probes.cli.attempt import add_protocols
from probes.cli.options import Parser, add_report, seconds
from probes.cli.series import add_pace
from probes.core.outcome import PROBE_OUTCOMES, outcome_table

# A lost SYN is sent again after a second.
DEFAULT_TIMEOUT_S = 2.0
DEFAULT_EVERY_S = 10.0

EPILOG = f"""\
outcomes and exit codes:
{outcome_table(PROBE_OUTCOMES)}

A line tells at once when the outcome changes, how long a gap lasted, from the last try that came as
expected to the next, and who answers for the first time: by the name in daytime's line, else by
address. What flaps is told once in a gap. Between these, a terminal has one line on the whole run,
rewritten with every try; anything else, and --json, a line on the tries of every --every seconds.

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


def add_command(commands: Any) -> None:
    """Add `watch`."""
    about = "try until stopped, and tell what changes when it does"
    parser = commands.add_parser(
        "watch", help=about, description=f"{about.capitalize()}.", epilog=EPILOG
    )
    protocols = parser.add_subparsers(metavar="protocol", required=True)
    for protocol in add_protocols(protocols, run, EPILOG, f"{about.capitalize()}. In each try: "):
        _add_options(protocol)


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
    parser.add_argument("--json", action="store_true", help="one JSON object per line")
    add_report(parser, "--report", "write a page about the run (HTML)")


def run(options: argparse.Namespace) -> int:
    """Watch as the command line says; returns the exit code."""
    # Late, since imports are most of what another command's single try takes.
    from probes.cli.watching import watch

    return watch(options)

"""probe: check that a daytime or an echo service answers as its RFC says, once or many times."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from probes import daytime, echo
from probes.connection import Connection, open_connection
from probes.deadline import Deadline
from probes.options import Parser, add_common_options, seconds, whole_number
from probes.outcome import Failure, Outcome, outcome_table
from probes.result import Result, Trace
from probes.summary import Summary
from probes.terminal import EXIT_INTERRUPTED, exit_status, show, show_json

DEFAULT_SIZE_BYTES = 512
MAX_SIZE_BYTES = 64 * 1024 * 1024
MAX_COUNT = 1_000_000
DEFAULT_INTERVAL_S = 1.0

Exchange = Callable[[Connection], str]

EPILOG = f"""\
outcomes and exit codes:
{outcome_table(outcome for outcome in Outcome if outcome is not Outcome.HTTP09)}

Every try is one line on stdout that begins with its outcome. Several tries end with a line that
begins with SUMMARY, and exit with 0 when all were OK, else with the code of the first that was
not. Ctrl-C ends them early, still shows the summary, and exits with 130.

examples:
  probe daytime localhost:1200
  probe echo localhost:1201 --size 1048576 --count 10 --interval 0.2 --json
"""


def main() -> int:
    """The command; returns its exit code."""
    return exit_status(lambda: run(parse_arguments(sys.argv[1:])))


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line as a namespace; a bad one exits."""
    parser = Parser(prog="probe", description="Probe a daytime or an echo service.", epilog=EPILOG)
    protocols = parser.add_subparsers(dest="protocol", metavar="protocol", required=True)
    _add_protocol(protocols, "daytime", "read the time until the server closes, and write nothing")
    for_echo = _add_protocol(
        protocols, "echo", "send random bytes while reading, half-close, and compare every byte"
    )
    for_echo.add_argument(
        "--size",
        metavar="N",
        type=whole_number(MAX_SIZE_BYTES),
        default=DEFAULT_SIZE_BYTES,
        help=f"bytes to send, up to {MAX_SIZE_BYTES} (default: %(default)s)",
    )
    return parser.parse_args(arguments)


def _add_protocol(protocols: Any, name: str, about: str) -> Parser:
    description = f"{about.capitalize()}."
    parser: Parser = protocols.add_parser(name, help=about, description=description, epilog=EPILOG)
    add_common_options(parser)
    parser.add_argument(
        "--count",
        metavar="N",
        type=whole_number(MAX_COUNT),
        default=1,
        help="how many tries (default: 1)",
    )
    parser.add_argument(
        "--interval",
        metavar="S",
        type=seconds,
        default=DEFAULT_INTERVAL_S,
        help="seconds from the start of a try to that of the next (default: %(default)g)",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object per line")
    return parser


def run(options: argparse.Namespace) -> int:
    """Make all tries and show each as it ends; returns the exit code."""
    summary = Summary(options.target)
    interrupted = False
    try:
        for number in paced(options.count, options.interval):
            result = attempt(options, exchange_of(options))
            summary.add(result)
            show_try(options, number, result)
    except KeyboardInterrupt:
        interrupted = True
    exit_code = EXIT_INTERRUPTED if interrupted else summary.outcome.exit_code
    if options.count > 1:
        show_summary(options, summary, exit_code)
    return exit_code


def exchange_of(options: argparse.Namespace) -> Exchange:
    """What to do with a connection: the protocol that was asked for."""
    if options.protocol == "echo":
        return partial(echo.exchange, size=options.size)
    return daytime.exchange


def attempt(options: argparse.Namespace, exchange: Exchange) -> Result:
    """Make one try, on a connection and a deadline of its own."""
    trace = Trace()
    try:
        deadline = Deadline(options.timeout)
        with open_connection(options.target, options.family, deadline, trace) as connection:
            detail = exchange(connection)
    except Failure as failure:
        return trace.result(options.target, failure.outcome, failure.reason)
    return trace.result(options.target, Outcome.OK, detail)


def paced(count: int, interval_s: float) -> Iterator[int]:
    """Yield 1 to `count`, `interval_s` apart from start to start; after a late one at once."""
    for number in range(1, count + 1):
        due = time.monotonic() + interval_s
        yield number
        if number < count:
            time.sleep(max(0.0, due - time.monotonic()))


def show_try(options: argparse.Namespace, number: int, result: Result) -> None:
    """Show one result as text or JSON."""
    if options.json:
        show_json("try", {"protocol": options.protocol, "try": number, **result.facts()})
    else:
        show(result.line())


def show_summary(options: argparse.Namespace, summary: Summary, exit_code: int) -> None:
    """Show the summary as text or JSON."""
    if options.json:
        kind = {"protocol": options.protocol, "exit": exit_code}
        show_json("summary", {**kind, **summary.facts()})
    else:
        interrupted = "; interrupted" if exit_code == EXIT_INTERRUPTED else ""
        show(f"{summary.line()}{interrupted}")


if __name__ == "__main__":
    sys.exit(main())

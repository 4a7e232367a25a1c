"""probe: check that a daytime or an echo service answers as its RFC says, once or many times."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

from probes import daytime, echo
from probes.association import Association, open_association
from probes.commands import EXIT_INTERRUPTED
from probes.connection import Connection, open_connection
from probes.deadline import Deadline
from probes.options import Parser, add_common_options, seconds, whole_number
from probes.outcome import Failure, Outcome, outcome_table
from probes.result import Result, Trace, Transport
from probes.summary import Summary
from probes.terminal import exit_status, show, show_json

DEFAULT_SIZE_BYTES = 512
# Least and most. No bytes are nothing over TCP, but an empty datagram over UDP, where IPv4 leaves
# 65507 of 65535 bytes for the data.
SIZES_BYTES = {Transport.TCP: (1, 64 * 1024 * 1024), Transport.UDP: (0, 65507)}
MAX_COUNT = 1_000_000
DEFAULT_INTERVAL_S = 1.0

EPILOG = f"""\
outcomes and exit codes:
{outcome_table(outcome for outcome in Outcome if outcome is not Outcome.HTTP09)}

Every try is one line on stdout that begins with its outcome. Several tries end with a line that
begins with SUMMARY, and exit with 0 when all were OK, else with the code of the first that was
not. Ctrl-C ends them early, still shows the summary, and exits with 130.

With --udp every try is one datagram from a new socket to the first address of the name. None is
sent twice: when it or its answer is lost, the try is TIMEOUT.

Where daytime's line names the server that wrote it, several tries are counted by that name. Where
it tells its distance from UTC, the skew says how many seconds it is ahead of our clock.

examples:
  probe daytime localhost:1200
  probe daytime 127.0.0.1:1200 --udp --timeout 1
  probe echo localhost:1201 --size 1048576 --count 10 --interval 0.2 --json
"""


def main() -> int:
    """The command; returns its exit code."""
    return exit_status(lambda: run(parse_arguments(sys.argv[1:])))


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line as a namespace; a bad one exits."""
    parser = Parser(prog="probe", description="Probe a daytime or an echo service.", epilog=EPILOG)
    protocols = parser.add_subparsers(dest="protocol", metavar="protocol", required=True)
    _add_protocol(
        protocols,
        "daytime",
        "read the time until the server closes, and write nothing",
        "send CR LF as a datagram and read one (docker-proxy would drop an empty one)",
    )
    for_echo = _add_protocol(
        protocols,
        "echo",
        "send random bytes while reading, half-close, and compare every byte",
        "send one datagram and compare the one that comes back",
    )
    bounds = ", ".join(
        f"{least} to {most} over {t.name}" for t, (least, most) in SIZES_BYTES.items()
    )
    for_echo.add_argument(
        "--size",
        metavar="N",
        default=str(DEFAULT_SIZE_BYTES),
        help=f"bytes to send, {bounds} (default: %(default)s)",
    )
    options = parser.parse_args(arguments)
    if options.protocol == "echo":
        options.size = _size(for_echo, options)
    return options


def _size(parser: Parser, options: argparse.Namespace) -> int:
    # Only when all options are known is it known which bounds apply.
    try:
        return whole_number(*SIZES_BYTES[options.transport])(options.size)
    except argparse.ArgumentTypeError as error:
        parser.error(f"argument --size: {error} over {options.transport.name}")


def _add_protocol(protocols: Any, name: str, about: str, about_udp: str) -> Parser:
    description = f"{about.capitalize()}."
    parser: Parser = protocols.add_parser(name, help=about, description=description, epilog=EPILOG)
    add_common_options(parser)
    parser.set_defaults(transport=Transport.TCP)
    parser.add_argument(
        "--udp", dest="transport", action="store_const", const=Transport.UDP, help=about_udp
    )
    parser.add_argument(
        "--count",
        metavar="N",
        type=whole_number(1, MAX_COUNT),
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
    summary = Summary(options.target, options.transport)
    interrupted = False
    try:
        for number in paced(options.count, options.interval):
            result = attempt(options)
            summary.add(result)
            show_try(options, number, result)
    except KeyboardInterrupt:
        interrupted = True
    exit_code = EXIT_INTERRUPTED if interrupted else summary.outcome.exit_code
    if options.count > 1:
        show_summary(options, summary, exit_code)
    return exit_code


def attempt(options: argparse.Namespace) -> Result:
    """Make one try, on a socket and a deadline of its own."""
    trace = Trace(options.transport)
    way = (options.target, options.family, Deadline(options.timeout), trace)
    try:
        if options.transport is Transport.UDP:
            with open_association(*way) as association:
                detail = exchange_datagrams(options, association)
        else:
            with open_connection(*way) as connection:
                detail = exchange(options, connection)
    except Failure as failure:
        return trace.result(options.target, failure.outcome, failure.reason)
    result = trace.result(options.target, Outcome.OK, detail)
    return daytime.interpret(result) if options.protocol == "daytime" else result


def exchange(options: argparse.Namespace, connection: Connection) -> str:
    """Hold the conversation that was asked for over TCP; returns the answer."""
    if options.protocol == "echo":
        return echo.exchange(connection, options.size)
    return daytime.exchange(connection)


def exchange_datagrams(options: argparse.Namespace, association: Association) -> str:
    """Ask what was asked for over UDP; returns the answer."""
    if options.protocol == "echo":
        return echo.exchange_datagrams(association, options.size)
    return daytime.exchange_datagrams(association)


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
        kind = {"protocol": options.protocol, "try": number}
        show_json("try", {**kind, **facts(options, result)})
    else:
        show(result.line())


def facts(options: argparse.Namespace, found: Result | Summary) -> dict[str, object]:
    """What JSON says of one try or of all; only daytime tells who answered, and at what time."""
    return found.facts() | (found.daytime_facts() if options.protocol == "daytime" else {})


def show_summary(options: argparse.Namespace, summary: Summary, exit_code: int) -> None:
    """Show the summary as text or JSON."""
    if options.json:
        kind = {"protocol": options.protocol, "exit": exit_code}
        show_json("summary", {**kind, **facts(options, summary)})
    else:
        interrupted = "; interrupted" if exit_code == EXIT_INTERRUPTED else ""
        show(f"{summary.line()}{interrupted}")

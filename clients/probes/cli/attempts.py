"""probe daytime and probe echo: one attempt or several, a line each, and a summary."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping

from probes.cli.options import (
    DEFAULT_SIZE_BYTES,
    Parser,
    add_connection_options,
    add_expectation,
    add_json,
    add_pace,
    add_wait,
    probe_options,
    whole_number,
)
from probes.console.interrupts import Run, held_back
from probes.console.terminal import Printer
from probes.core.outcome import EXIT_INTERRUPTED, PROBE_OUTCOMES, outcome_table
from probes.core.result import Protocol, Result, Transport
from probes.protocols.attempt import AttemptOptions, attempts
from probes.stats.summary import Summary

# Least and most. No bytes are nothing over TCP, but an empty datagram over UDP, where IPv4 leaves
# 65507 of 65535 bytes for the data.
SIZES_BYTES = {Transport.TCP: (1, 64 * 1024 * 1024), Transport.UDP: (0, 65507)}

ABOUT_UDP = {
    Protocol.DAYTIME: "send CR LF as a datagram and read one"
    " (docker-proxy would drop an empty one)",
    Protocol.ECHO: "send one datagram and compare the one that comes back",
}
# The facts of a summary that only a watch has.
NOT_WATCHED = dict.fromkeys(("gaps", "longest_gap_ms", "gap_open", "unfinished_ms"))

EPILOG = f"""\
outcomes and exit codes:
{outcome_table(PROBE_OUTCOMES)}

Every try is one line on stdout that begins with its outcome. Several tries end with a line that
begins with SUMMARY, and exit with 0 when all were OK, else with the code of the first that was
not. Ctrl-C, SIGTERM or SIGHUP ends them early, still shows the summary, and exits with 130. Times
are in milliseconds: the least, those that 50 %, 95 % and 99 % do not exceed, and the greatest.

With --expect the outcomes that it names are OK, and any other is WRONG: "OK expected REFUSED", or
"WRONG expected REFUSED got OK". With --wait the tries before the first that is OK are not shown;
when time is over the last is, and no more are made. Near its end a try has only what is left, but
where TIMEOUT is expected each has all of --timeout.

With --udp every try is one datagram from a new socket to the first address of the name. None is
sent twice: when it or its answer is lost, the try is TIMEOUT.

Where daytime's line names the server that wrote it, several tries are counted by that name. Where
it tells its distance from UTC, the skew says how many seconds it is ahead of our clock.

examples:
  probe daytime localhost:1200
  probe daytime 127.0.0.1:1200 --udp --timeout 1
  probe daytime localhost:1200 --wait 30 --count 3
  probe echo localhost:1201 --expect REFUSED,TIMEOUT --timeout 2
  probe echo localhost:1201 --size 1048576 --count 10 --interval 0.2 --json
"""


def configure(parser: Parser, name: str) -> None:
    """Add the options of `probe daytime` or `probe echo`."""
    protocol = Protocol(name)
    parser.epilog = EPILOG
    parser.set_defaults(run=run)
    add_attempt_options(parser, protocol)
    add_pace(parser, count=1)
    add_wait(parser)
    add_json(parser)


def add_attempt_options(parser: Parser, protocol: Protocol) -> None:
    """Add what decides on a single attempt."""
    parser.set_defaults(parser=parser, protocol=protocol, transport=Transport.TCP, size="1")
    add_connection_options(parser)
    add_expectation(parser)
    about = ABOUT_UDP[protocol]
    parser.add_argument(
        "--udp", dest="transport", action="store_const", const=Transport.UDP, help=about
    )
    if protocol is Protocol.ECHO:
        bounds = ", ".join(
            f"{least} to {most} over {each.name}" for each, (least, most) in SIZES_BYTES.items()
        )
        parser.add_argument(
            "--size",
            metavar="N",
            default=str(DEFAULT_SIZE_BYTES),
            help=f"bytes to send, {bounds} (default: %(default)s)",
        )


def attempt_options(parsed: argparse.Namespace) -> AttemptOptions:
    """Return what all attempts have in common; a size out of bounds exits."""
    # Only when all options are parsed is it known which bounds apply.
    try:
        size = whole_number(*SIZES_BYTES[parsed.transport])(parsed.size)
    except argparse.ArgumentTypeError as error:
        parsed.parser.error(f"argument --size: {error} over {parsed.transport.name}")
    return AttemptOptions(*probe_options(parsed), parsed.protocol, parsed.transport, size)


def run(parsed: argparse.Namespace) -> int:
    """Make all attempts and show each as it ends; returns the exit code."""
    options = attempt_options(parsed)
    printer = Printer({"protocol": options.protocol}, is_json=parsed.json)
    summary = Summary(options.target, options.transport)
    with Run() as run:
        results = attempts(options, parsed.count, parsed.interval, parsed.wait)
        for number, result in enumerate(results, 1):
            with held_back():
                summary.add(result)
                found = {"try": number, **facts(options.protocol, result)}
                printer.show("try", result.ended, found, result.line(), result.outcome)
    exit_code = EXIT_INTERRUPTED if run.is_interrupted else summary.outcome.exit_code
    if parsed.count > 1:
        show_summary(parsed, summary, exit_code)
    return exit_code


def facts(protocol: Protocol, found: Result | Summary) -> dict[str, object]:
    """Return the facts for JSON; only daytime says who answered, and at what time."""
    return found.facts() | (found.daytime_facts() if protocol is Protocol.DAYTIME else {})


def show_summary(
    parsed: argparse.Namespace,
    summary: Summary,
    exit_code: int,
    more: Mapping[str, object] = NOT_WATCHED,
    more_text: str = "",
) -> None:
    """Show the summary, and what a watch adds to it."""
    found = {"exit": exit_code, **facts(parsed.protocol, summary), **more}
    interrupted = "interrupted" if exit_code == EXIT_INTERRUPTED else ""
    line = "; ".join(filter(None, [summary.line(), more_text, interrupted]))
    printer = Printer({"protocol": parsed.protocol}, is_json=parsed.json)
    printer.show("summary", time.time(), found, line)

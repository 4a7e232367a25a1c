"""probe daytime and probe echo: one try or several, a line each, and a summary."""

from __future__ import annotations

import argparse
import itertools
import math
import time
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from probes.cli.attempt import add_protocols, attempt
from probes.cli.options import Parser, seconds, whole_number
from probes.cli.waiting import add_wait, least_s, until_met
from probes.console.interrupts import finish, held_back
from probes.console.terminal import show, show_json
from probes.core.outcome import EXIT_INTERRUPTED, PROBE_OUTCOMES, Outcome, outcome_table
from probes.core.result import Result
from probes.stats.summary import Summary

MAX_COUNT = 1_000_000
# What JSON says of a watch alone.
NOT_WATCHED = dict.fromkeys(("gaps", "longest_gap_ms", "gap_open", "unfinished_ms"))
DEFAULT_INTERVAL_S = 1.0
# A Ctrl-C that comes just before the system is called for a sleep is noticed only after it.
LONGEST_SLEEP_S = 1.0

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


def add_commands(commands: Any) -> None:
    """Add `daytime` and `echo`."""
    for parser in add_protocols(commands, run, EPILOG):
        add_pace(parser, count=1)
        add_wait(parser)
        parser.add_argument("--json", action="store_true", help="one JSON object per line")


def add_pace(parser: Parser, count: int | None) -> None:
    """Add how many tries are made, by default `count` or without end, and how fast."""
    parser.add_argument(
        "--count",
        metavar="N",
        type=whole_number(1, MAX_COUNT),
        default=count,
        help=f"how many tries (default: {count or 'until stopped'})",
    )
    parser.add_argument(
        "--interval",
        metavar="S",
        type=seconds,
        default=DEFAULT_INTERVAL_S,
        help="seconds from the start of a try to that of the next (default: %(default)g)",
    )


def run(options: argparse.Namespace) -> int:
    """Make all tries and show each as it ends; returns the exit code."""
    summary = Summary(options.target, options.transport)
    interrupted = False
    try:
        for number, result in enumerate(results(options), 1):
            with held_back():
                summary.add(result)
                show_try(options, number, result)
        finish()
    except KeyboardInterrupt:
        interrupted = True
    exit_code = EXIT_INTERRUPTED if interrupted else summary.outcome.exit_code
    if options.count > 1:
        show_summary(options, summary, exit_code)
    return exit_code


def results(options: argparse.Namespace) -> Iterator[Result]:
    """The result of each try as it ends. When the first was waited for in vain it is the only."""
    first = until_met(partial(attempt, options), is_ok, options.wait, least_s(options))
    due = time.monotonic() - first.elapsed + options.interval
    yield first
    if options.count > 1 and (is_ok(first) or not options.wait):
        for _ in paced(options.count - 1, options.interval, due):
            yield attempt(options)


def is_ok(result: Result) -> bool:
    """Whether it came as expected."""
    return result.outcome is Outcome.OK


def paced(count: int | None, interval_s: float, due: float = -math.inf) -> Iterator[int]:
    """Yield 1 to `count`, or without end, `interval_s` apart from start to start; after a late one
    at once. The first is `due` at that moment of the monotonic clock.
    """
    for number in itertools.count(1):
        while (left := due - time.monotonic()) > 0:
            time.sleep(min(left, LONGEST_SLEEP_S))
        due = time.monotonic() + interval_s
        yield number
        if number == count:
            return


def show_try(options: argparse.Namespace, number: int, result: Result) -> None:
    """Show one result as text or JSON."""
    if options.json:
        kind = {"protocol": options.protocol, "try": number}
        show_json("try", result.ended, {**kind, **facts(options, result)})
    else:
        show(result.line(), result.outcome)


def facts(options: argparse.Namespace, found: Result | Summary) -> dict[str, object]:
    """What JSON says of one try or of all; only daytime tells who answered, and at what time."""
    return found.facts() | (found.daytime_facts() if options.protocol == "daytime" else {})


def show_summary(
    options: argparse.Namespace,
    summary: Summary,
    exit_code: int,
    more: Mapping[str, object] = NOT_WATCHED,
    more_text: str = "",
) -> None:
    """Show the summary as text or JSON, with what a watch has to say beyond it."""
    if options.json:
        kind = {"protocol": options.protocol, "exit": exit_code}
        show_json("summary", time.time(), {**kind, **facts(options, summary), **more})
    else:
        interrupted = "interrupted" if exit_code == EXIT_INTERRUPTED else ""
        show("; ".join(filter(None, [summary.line(), more_text, interrupted])))

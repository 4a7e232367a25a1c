"""probe hold: one long echo conversation, to see whether its connection survives."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from typing import Any

from probes.cli.attempt import DEFAULT_SIZE_BYTES
from probes.cli.options import (
    MAX_DURATION_S,
    Parser,
    add_common_options,
    add_expectation,
    seconds,
    whole_number,
)
from probes.console.interrupts import finish
from probes.console.terminal import show, show_json
from probes.core.outcome import EXIT_INTERRUPTED, PROBE_OUTCOMES, Failure, Outcome, outcome_table
from probes.core.result import Result, Trace, clock_time, to_ms
from probes.net.deadline import Deadline
from probes.net.sockets import Context
from probes.net.tcp import open_connection
from probes.protocols.echo import CHUNK_BYTES
from probes.protocols.echo_session import Conversation
from probes.protocols.pauses import Pause

# Seconds each.
TIMES = {
    "--interval": (0.1, "seconds from one sending to the next"),
    "--gap": (1.0, "seconds that the longest pause may take"),
    "--duration": (MAX_DURATION_S, "seconds to hold it"),
}

EPILOG = f"""\
outcomes and exit codes:
{outcome_table(PROBE_OUTCOMES)}

OPEN says that the connection stands. PAUSE is told when bytes are owed and none has come for longer
than --gap, and again when that is over, with the time of day here, the seconds since OPEN and the
bytes that had come back. Such a pause ends nothing, but the outcome can no longer be OK: it is
TIMEOUT.

After --duration our side is half-closed; then all must have come back, and the peer have closed,
within --timeout. The outcome is the last line but SUMMARY. Ctrl-C, SIGTERM or SIGHUP ends it early,
still shows the summary, and exits with 130.

An interval that is longer than an idle timeout, of the path or of the server, shows what that does
to a connection: CLOSED, RESET, or no answer any more.

examples:
  probe hold localhost:1201
  probe hold localhost:1201 --duration 60 --gap 0.5 --json
  probe hold localhost:1201 --duration 1000 --interval 400 --gap 5 --expect CLOSED
"""


def add_command(commands: Any) -> None:
    """Add `hold`."""
    parser: Parser = commands.add_parser(
        "hold",
        help="keep one echo connection, and tell of its pauses and its end",
        description="Send random bytes on one connection, and compare every byte that comes back.",
        epilog=EPILOG,
    )
    parser.set_defaults(run=run)
    add_common_options(parser, "look-up and connect together, and once more for the end")
    add_expectation(parser)
    for name, (default, about) in TIMES.items():
        described = f"{about} (default: %(default)g)"
        parser.add_argument(name, metavar="S", type=seconds, default=default, help=described)
    parser.add_argument(
        "--size",
        metavar="N",
        type=whole_number(1, CHUNK_BYTES),
        default=DEFAULT_SIZE_BYTES,
        help=f"bytes to send each time, 1 to {CHUNK_BYTES} (default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object per line")


def run(options: argparse.Namespace) -> int:
    """Hold one connection, tell what happens to it, and sum up; returns the exit code."""
    report = Report(options)
    try:
        result = hold(options, report)
        finish()
    except KeyboardInterrupt:
        report.look()
        exit_code = EXIT_INTERRUPTED
    else:
        report.end(result)
        exit_code = result.outcome.exit_code
    report.sum_up(exit_code)
    return exit_code


def hold(options: argparse.Namespace, report: Report) -> Result:
    """Connect and converse; returns how it ended."""
    trace = Trace(expected=options.expect)
    context = Context(options.target, options.family, Deadline(options.timeout), trace)
    try:
        with open_connection(context) as connection:
            # Later than any end, since this process, too, may be stopped for a while (Ctrl-Z).
            connection.deadline = Deadline(2 * MAX_DURATION_S)
            conversation = Conversation(
                connection, options.size, options.interval, options.gap, report.pause
            )
            report.open(conversation, trace.address)
            detail = conversation.hold(options.duration, options.timeout)
    except Failure as failure:
        return trace.result(options.target, failure.outcome, failure.reason)
    return trace.result(options.target, Outcome.OK, detail)


class Report:
    """What is told of one conversation as it goes, as text or JSON."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._conversation: Conversation | None = None
        self._opened = 0.0

    def open(self, conversation: Conversation, address: str | None) -> None:
        """The connection stands."""
        self._conversation = conversation
        self._opened = time.monotonic()
        line = f"OPEN {self._options.target} at {address}, {clock_time(time.time())}"
        self._tell("open", {"address": address}, line)

    def pause(self, pause: Pause) -> None:
        """A pause has become too long, or is over."""
        held_s = time.monotonic() - self._opened
        facts = {
            "held_ms": to_ms(held_s),
            "offset": self._offset,
            "pause_ms": to_ms(pause.seconds),
            "over": pause.over,
        }
        words = "over, it was" if pause.over else "nothing for"
        now = clock_time(time.time())
        place = f"{self._options.target} {now}, after {held_s:.3f} s at byte {self._offset}"
        self._tell("pause", facts, f"PAUSE {place}: {words} {pause.seconds:.3f} s")

    def look(self) -> None:
        """Nothing more will come: a pause under way has lasted until now."""
        if self._conversation:
            self._conversation.pauses.look(time.monotonic())

    def end(self, result: Result) -> None:
        """It has ended, or has never begun."""
        facts = {**result.facts(), "offset": self._offset}
        self._tell("end", facts, result.line(), result.outcome)

    def sum_up(self, exit_code: int) -> None:
        """What there was in all; nothing if there was no connection."""
        if not self._conversation:
            return
        held_s = time.monotonic() - self._opened
        pauses = self._conversation.pauses
        facts = {
            "exit": exit_code,
            "held_ms": to_ms(held_s),
            "sent_bytes": self._conversation.sent,
            "returned_bytes": self._offset,
            "longest_pause_ms": to_ms(pauses.longest_s),
            "pauses": pauses.count,
        }
        interrupted = "; interrupted" if exit_code == EXIT_INTERRUPTED else ""
        line = (
            f"SUMMARY {self._options.target} held {held_s:.3f} s until {clock_time(time.time())},"
            f" {self._conversation.sent} bytes sent, {self._offset} came back;"
            f" longest pause {pauses.longest_s:.3f} s,"
            f" {pauses.count} longer than {pauses.gap_s:g} s{interrupted}"
        )
        self._tell("held", facts, line)

    @property
    def _offset(self) -> int:
        return self._conversation.matched if self._conversation else 0

    def _tell(
        self,
        kind: str,
        facts: Mapping[str, object],
        line: str,
        outcome: Outcome | None = None,
    ) -> None:
        if self._options.json:
            about = {"protocol": "echo", "target": str(self._options.target)}
            show_json(kind, time.time(), {**about, **facts})
        else:
            show(line, outcome)

"""probe hold: one long echo session, to see whether its connection survives."""

from __future__ import annotations

import argparse
import time

from probes.cli.options import (
    DEFAULT_SIZE_BYTES,
    MAX_DURATION_S,
    Parser,
    add_connection_options,
    add_expectation,
    add_json,
    probe_options,
    seconds,
    whole_number,
)
from probes.console.interrupts import Run
from probes.console.terminal import Printer
from probes.core.outcome import EXIT_INTERRUPTED, PROBE_OUTCOMES, outcome_table
from probes.core.result import Result, clock_time, to_ms
from probes.core.target import Target
from probes.protocols.echo import CHUNK_BYTES
from probes.protocols.echo_session import EchoSession, HoldOptions, Pause, hold

# Seconds each.
TIMES = {
    "--interval": (0.1, "seconds from one sending to the next"),
    "--gap": (1.0, "seconds that the longest pause may take"),
    "--duration": (MAX_DURATION_S, "seconds to hold it"),
}

EPILOG = f"""\
outcomes and exit codes:
{outcome_table(PROBE_OUTCOMES)}

OPEN says that the connection stands. PAUSE is shown when bytes are pending and none has come for
longer than --gap, and again when that is over, with the time of day here, the seconds since OPEN
and the bytes that had come back. Such a pause ends nothing, but the outcome can no longer be OK: it
is TIMEOUT.

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


def configure(parser: Parser, _: str) -> None:
    """Add the options of `probe hold`."""
    parser.description = (
        "Send random bytes on one connection, and compare every byte that comes back."
        " `probe hold TARGET` is short for `probe hold echo TARGET`."
    )
    parser.epilog = EPILOG
    parser.set_defaults(run=run)
    parser.add_argument(
        "protocol", nargs="?", choices=["echo"], metavar="echo", help="the only protocol"
    )
    add_connection_options(parser, "look-up and connect together, and once more for the end")
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
    add_json(parser)


def run(parsed: argparse.Namespace) -> int:
    """Hold one connection, show what happens to it, and sum up; returns the exit code."""
    options = HoldOptions(
        *probe_options(parsed), parsed.interval, parsed.gap, parsed.duration, parsed.size
    )
    report = Report(options.target, is_json=parsed.json)
    result = None
    with Run() as run:
        result = hold(options, report.open, report.pause)
    if result is None or run.is_interrupted:
        report.look()
        exit_code = EXIT_INTERRUPTED
    else:
        report.end(result)
        exit_code = result.outcome.exit_code
    report.sum_up(exit_code)
    return exit_code


class Report:
    """Shows one session as it goes on, as text or JSON."""

    def __init__(self, target: Target, *, is_json: bool) -> None:
        self._target = target
        about = {"protocol": "echo", "target": str(target)}
        self._printer = Printer(about, is_json=is_json)
        self._session: EchoSession | None = None
        self._opened = 0.0

    def open(self, session: EchoSession, address: str | None) -> None:
        """The connection stands."""
        self._session = session
        self._opened = time.monotonic()
        line = f"OPEN {self._target} at {address}, {clock_time(time.time())}"
        self._printer.show("open", time.time(), {"address": address}, line)

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
        place = f"{self._target} {now}, after {held_s:.3f} s at byte {self._offset}"
        self._printer.show(
            "pause", time.time(), facts, f"PAUSE {place}: {words} {pause.seconds:.3f} s"
        )

    def look(self) -> None:
        """Nothing more will come: a pause under way has lasted until now."""
        if self._session:
            self._session.pauses.look(time.monotonic())

    def end(self, result: Result) -> None:
        """It has ended, or has never begun."""
        facts = {**result.facts(), "offset": self._offset}
        self._printer.show("end", time.time(), facts, result.line(), result.outcome)

    def sum_up(self, exit_code: int) -> None:
        """What there was in all; nothing if there was no connection."""
        if not self._session:
            return
        held_s = time.monotonic() - self._opened
        pauses = self._session.pauses
        facts = {
            "exit": exit_code,
            "held_ms": to_ms(held_s),
            "sent_bytes": self._session.sent,
            "returned_bytes": self._offset,
            "longest_pause_ms": to_ms(pauses.longest_s),
            "pauses": pauses.count,
        }
        interrupted = "; interrupted" if exit_code == EXIT_INTERRUPTED else ""
        line = (
            f"SUMMARY {self._target} held {held_s:.3f} s until {clock_time(time.time())},"
            f" {self._session.sent} bytes sent, {self._offset} came back;"
            f" longest pause {pauses.longest_s:.3f} s,"
            f" {pauses.count} longer than {pauses.gap_s:g} s{interrupted}"
        )
        self._printer.show("held", time.time(), facts, line)

    @property
    def _offset(self) -> int:
        return self._session.matched if self._session else 0

"""probe conform: check a service against its RFC, a line for each requirement."""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Sequence

from probes.cli.options import Parser, add_connection_options, add_json, add_report, probe_options
from probes.conformance.check import Finding, Verdict
from probes.conformance.junit import junit_report
from probes.conformance.runner import CHECKS, run_checks
from probes.console.interrupts import Run, held_back
from probes.console.report_file import ReportFile
from probes.console.terminal import Printer
from probes.core.outcome import EXIT_INTERRUPTED, Outcome
from probes.core.result import Protocol, Transport
from probes.core.target import ProbeOptions

# Each check has a deadline of its own, and many of a service that is silent come to it.
DEFAULT_TIMEOUT_S = 5.0

ABOUT = {
    Protocol.ECHO: "the duties of RFC 862, among them half-close, back-pressure and datagrams of"
    " any size",
    Protocol.DAYTIME: "the duties of RFC 867, among them a close that is no reset, whatever was"
    " sent",
}

EPILOG = """\
exit codes:
    0  no check failed
    1  one did
    2  bad address or option
   23  a report that cannot be written, which is tried before the first check
  130  Ctrl-C, SIGTERM or SIGHUP

A line for each check begins with its verdict: PASS, FAIL, or SKIP where it cannot be made from
here. The duty, TCP or UDP, what is to hold, who says so and the reason follow. SUMMARY ends them.

Each check has a connection or a socket of its own, and --timeout for itself; the silences that some
wait for, of 0.3 to 1 s, come on top. If one reaches no service, the others over the same transport
are skipped. Those of S1 send from ports below 1024, which takes a privilege, and from the port
number of the target.

The report replaces the file as a whole, before the first check and at the end. A check that was not
made is an error in it: all of them at first, or what Ctrl-C, SIGTERM or SIGHUP left.

examples:
  probe conform echo localhost:1201
  probe conform daytime localhost:1200 --both --timeout 2
  probe conform echo localhost:1201 --junit - > echo.xml
  probe conform echo 127.0.0.1:1201 --udp --json --junit echo.xml
"""

WORDS = {Verdict.PASS: "passed", Verdict.FAIL: "failed", Verdict.SKIP: "skipped"}
COLOURS = {Verdict.PASS: Outcome.OK, Verdict.FAIL: Outcome.WRONG}


def configure(parser: Parser, _: str) -> None:
    """Add a command for each protocol."""
    parser.epilog = EPILOG
    protocols = parser.add_subparsers(metavar="protocol", required=True)
    for protocol, about in ABOUT.items():
        command = protocols.add_parser(
            protocol, help=about, description=f"Check {about}.", epilog=EPILOG
        )
        command.set_defaults(run=run, protocol=protocol, transports=[Transport.TCP])
        _add_options(command)


def _add_options(parser: Parser) -> None:
    add_connection_options(parser)
    parser.set_defaults(timeout=DEFAULT_TIMEOUT_S)
    transports = parser.add_mutually_exclusive_group()
    for option, values in {"--udp": [Transport.UDP], "--both": list(Transport)}.items():
        about = "make the checks over " + " and ".join(each.name for each in values)
        transports.add_argument(
            option, dest="transports", action="store_const", const=values, help=about
        )
    add_json(parser)
    add_report(parser, "--junit", "write a report (JUnit)")


def run(parsed: argparse.Namespace) -> int:
    """Make all checks, write the report and show the summary; returns the exit code."""
    options = ProbeOptions(*probe_options(parsed))
    protocol, target = parsed.protocol, str(options.target)
    checks = [each for each in CHECKS[protocol] if each.transport in parsed.transports]
    made: list[Finding] = []

    def render() -> str:
        return junit_report(protocol, target, made, checks[len(made) :])

    report = ReportFile(parsed.junit, render)
    printer = Printer({"protocol": protocol, "target": target}, is_json=parsed.json)
    with report.lines_beside():
        with report.written(), Run() as run:
            for finding in run_checks(options, checks):
                with held_back():
                    made.append(finding)
                    colour = COLOURS.get(finding.verdict)
                    printer.show("check", time.time(), finding.facts(), finding.line(), colour)
        has_failed = any(finding.verdict is Verdict.FAIL for finding in made)
        exit_code = EXIT_INTERRUPTED if run.is_interrupted else int(has_failed)
        exit_code = report.exit_code or exit_code
        show_summary(printer, f"{protocol} {target}", made, exit_code)
    return exit_code


def show_summary(printer: Printer, name: str, made: Sequence[Finding], exit_code: int) -> None:
    """Show how many checks passed, failed and were skipped."""
    counts = Counter(finding.verdict for finding in made)
    numbers = {word: counts[verdict] for verdict, word in WORDS.items()}
    text = ", ".join(f"{number} {word}" for word, number in numbers.items())
    interrupted = "; interrupted" if exit_code == EXIT_INTERRUPTED else ""
    facts = {**numbers, "exit": exit_code}
    printer.show("checked", time.time(), facts, f"SUMMARY {name} {text}{interrupted}")

"""probe conform: does a service do what is asked of it? A line for each thing to check."""

from __future__ import annotations

import argparse
from typing import Any

from probes.cli.options import Parser, add_common_options, add_report
from probes.core.result import Transport

# Each check has a deadline of its own, and many of a service that is silent come to it.
DEFAULT_TIMEOUT_S = 5.0

ABOUT = {
    "echo": "the duties of RFC 862, among them half-close, back-pressure and datagrams of any size",
    "daytime": "the duties of RFC 867, among them a close that is no reset, whatever was sent",
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
wait for, of 0.3 to 1 s, come on top. When one reaches nobody, the others over the same transport
are skipped. Those of S1 send from ports below 1024, which not everybody may, and from the port
number that is asked.

The report replaces the file as a whole, before the first check and at the end. A check that was not
made is an error in it: all of them at first, or what Ctrl-C, SIGTERM or SIGHUP left.

examples:
  probe conform echo localhost:1201
  probe conform daytime localhost:1200 --both --timeout 2
  probe conform echo localhost:1201 --junit - > echo.xml
  probe conform echo 127.0.0.1:1201 --udp --json --junit echo.xml
"""


def add_command(commands: Any) -> None:
    """Add `conform`."""
    about = "check what is asked of a service, duty by duty"
    parser = commands.add_parser(
        "conform", help=about, description=f"{about.capitalize()}.", epilog=EPILOG
    )
    protocols = parser.add_subparsers(metavar="protocol", required=True)
    for name, about in ABOUT.items():
        protocol = protocols.add_parser(
            name, help=about, description=f"Check {about}.", epilog=EPILOG
        )
        protocol.set_defaults(run=run, protocol=name, transports=[Transport.TCP])
        _add_options(protocol)


def _add_options(parser: Parser) -> None:
    add_common_options(parser)
    parser.set_defaults(timeout=DEFAULT_TIMEOUT_S)
    transports = parser.add_mutually_exclusive_group()
    for option, values in {"--udp": [Transport.UDP], "--both": list(Transport)}.items():
        about = "make the checks over " + " and ".join(each.name for each in values)
        transports.add_argument(
            option, dest="transports", action="store_const", const=values, help=about
        )
    parser.add_argument("--json", action="store_true", help="one JSON object per line")
    add_report(parser, "--junit", "write a report (JUnit)")


def run(options: argparse.Namespace) -> int:
    """Check as the command line says; returns the exit code."""
    # Late, since imports are most of what another command's single try takes.
    from probes.cli.conforming import conform

    return conform(options)

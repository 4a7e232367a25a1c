"""probe: ask a daytime or an echo service, in the way that the command names."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from probes.cli import conform, hold, series, watch
from probes.cli.options import Parser
from probes.console.terminal import exit_status
from probes.core.outcome import PROBE_OUTCOMES, outcome_table

# Each adds its parsers, in the order of `--help`. A parser's defaults name what is to `run`, and,
# where options must fit together, what is to `check` them first.
COMMANDS = (series.add_commands, watch.add_command, hold.add_command, conform.add_command)

EPILOG = f"""\
outcomes and exit codes:
{outcome_table(PROBE_OUTCOMES)}

examples:
  probe daytime localhost:1200
  probe echo localhost:1201 --udp
  probe conform echo localhost:1201 --both
  probe echo --help
"""


def main() -> int:
    """The command; returns its exit code."""
    return exit_status(lambda: run(parse_arguments(sys.argv[1:])))


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line as a namespace; a bad one exits."""
    parser = Parser(prog="probe", description="Probe a daytime or an echo service.", epilog=EPILOG)
    parser.set_defaults(check=lambda _: None)
    commands = parser.add_subparsers(dest="command", metavar="command", required=True)
    for add in COMMANDS:
        add(commands)
    options = parser.parse_args(arguments)
    options.check(options)
    return options


def run(options: argparse.Namespace) -> int:
    """Do what the command names; returns the exit code."""
    exit_code: int = options.run(options)
    return exit_code

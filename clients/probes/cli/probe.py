"""The parser of `probe`: a table of commands, each imported only when it is chosen."""

from __future__ import annotations

from probes.cli.options import Parser
from probes.core.outcome import PROBE_OUTCOMES, outcome_table

# By name: the module below probes.cli that has the command, and what `--help` says about it.
COMMANDS = {
    "daytime": ("attempts", "read the time until the server closes, and write nothing"),
    "echo": ("attempts", "send random bytes while reading, half-close, and compare every byte"),
    "watch": ("watch", "try until stopped, and tell what changes when it does"),
    "hold": ("hold", "keep one echo connection, and tell of its pauses and its end"),
    "conform": ("conform", "check what is asked of a service, duty by duty"),
}

EPILOG = f"""\
outcomes and exit codes:
{outcome_table(PROBE_OUTCOMES)}

examples:
  probe daytime localhost:1200
  probe echo localhost:1201 --udp
  probe conform echo localhost:1201 --both
  probe echo --help
"""


def parser() -> Parser:
    """Return the parser of the whole command line. `run` of what it parses does the work."""
    parser = Parser(prog="probe", description="Probe a daytime or an echo service.", epilog=EPILOG)
    commands = parser.add_subparsers(metavar="command", dest="command", required=True)
    for name, (module, about) in COMMANDS.items():
        commands.add_parser(name, help=about, description=f"{about.capitalize()}.", module=module)
    return parser

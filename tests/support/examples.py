"""The commands that `--help` and the README show, as they are to be typed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

README = Path(__file__).parents[2] / "README.md"

# What begins a command: a prompt, an assignment or `cd` may come before its name.
COMMAND = re.compile(
    r"(\$ |[A-Z_]+=\S+ |cd \S+ && )?(make|docker|python3|probe|headinfo|telnet|nc) "
)
# How the README runs the client tools beside the servers, and without a container; and where to
# the shell puts what they print.
TOOL = re.compile(r"(docker compose run --rm (?:-T )?client )?((?:probe|headinfo) .*?)( > \S+)?")
# What comes to something else than OK.
CODES = {"headinfo echo:1201": 72}


def of_help(text: str) -> list[list[str]]:
    """The commands below `examples:` in a help text, in words."""
    _, _, examples = text.partition("\nexamples:\n")
    lines = [line.strip() for line in examples.splitlines() if line.startswith("  ")]
    matches = list(map(TOOL.fullmatch, lines))
    assert all(matches), lines
    return [shlex.split(match[2]) for match in matches if match]


def of_readme() -> list[str]:
    """The commands in the README's indented blocks, without what is said beside them."""
    lines = re.findall(r"^ {4}(\S.*)$", README.read_text(), re.MULTILINE)
    return [re.split(r"  +", line)[0] for line in lines if COMMAND.match(line)]


def of_readme_for_tools(*, in_container: bool) -> list[list[str]]:
    """Those of the README that run a client tool, in a container or here, in words."""
    matches = [TOOL.fullmatch(line) for line in of_readme()]
    return [shlex.split(m[2]) for m in matches if m and bool(m[1]) == in_container]

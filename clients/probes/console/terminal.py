"""Lines of text and JSON as a terminal or a pipe shows them."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import TextIO

from probes.console.streams import write_message
from probes.core.outcome import Outcome
from probes.core.result import timestamp
from probes.core.text import escape

JSON_SCHEMA = 1
DEFAULT_COLUMNS = 80

# ECMA-48 section 8.3.117: bold, and green, red or none.
GOOD, BAD, PLAIN = "\x1b[1;32m", "\x1b[1;31m", "\x1b[0m"


def show_json(kind: str, moment: float, facts: Mapping[str, object]) -> None:
    """Write one JSON object about a moment of Unix time on one line.

    The encoder's default keeps it printable ASCII.
    """
    about = {"schema": JSON_SCHEMA, "type": kind, "time": timestamp(moment)}
    print(json.dumps({**about, **facts}), flush=True)


class Printer:
    """Shows facts as JSON, each object with what is the same in all of them, or lines of text."""

    def __init__(self, about: Mapping[str, object], *, is_json: bool) -> None:
        self._about = about
        self.is_json = is_json

    def show(
        self,
        kind: str,
        moment: float,
        facts: Mapping[str, object],
        line: str,
        outcome: Outcome | None = None,
        lead: str = "",
    ) -> None:
        """Show the facts of a moment of Unix time, or the line, at once, so that a pipe has it.

        On a terminal the first word of the line after the `lead` has the colour of the `outcome`.
        """
        if self.is_json:
            show_json(kind, moment, {**self._about, **facts})
        else:
            print(escape(lead) + coloured(escape(line), outcome, sys.stdout), flush=True)


def complain(text: str, outcome: Outcome | None = None) -> None:
    """Write one line for a human to stderr, coloured as on stdout."""
    write_message(coloured(escape(text), outcome, sys.stderr))


def coloured(line: str, outcome: Outcome | None, output: TextIO) -> str:
    """Colour the first word of a line for an `outcome`, if the output has colours."""
    if outcome is None or not _has_colour(output):
        return line
    word = line.partition(" ")[0].rstrip(":;")
    return f"{GOOD if outcome is Outcome.OK else BAD}{word}{PLAIN}{line[len(word) :]}"


def _has_colour(output: TextIO) -> bool:
    # https://no-color.org: set and not empty, whatever it says.
    return not os.environ.get("NO_COLOR") and is_terminal(output)


def is_terminal(output: TextIO) -> bool:
    """Whether an output is a terminal that understands escapes; one without a name does not."""
    return os.environ.get("TERM", "") not in ("", "dumb") and output.isatty()


def columns(output: TextIO) -> int:
    """Return the width of the terminal that an output goes to, 80 if the width is unknown."""
    with suppress(OSError):  # not a terminal
        if found := os.get_terminal_size(output.fileno()).columns:
            return found
    return DEFAULT_COLUMNS

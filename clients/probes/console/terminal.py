"""What reaches the user: text that cannot drive a terminal, JSON lines, and the exit status."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TextIO

from probes.console.streams import discard, replace_streams
from probes.core.outcome import EXIT_BROKEN_PIPE, EXIT_INTERRUPTED, EXIT_WRITE_ERROR, Outcome
from probes.core.result import timestamp
from probes.core.text import escape

JSON_SCHEMA = 1
DEFAULT_COLUMNS = 80

# ECMA-48 section 8.3.117: bold, and green, red or none.
GOOD, BAD, PLAIN = "\x1b[1;32m", "\x1b[1;31m", "\x1b[0m"


def show(text: str, outcome: Outcome | None = None, lead: str = "") -> None:
    """Write one line of data, at once, so that a pipe shows each result as it comes.

    On a terminal its first word after the `lead` is coloured, when it is worth an `outcome`.
    """
    print(escape(lead) + coloured(escape(text), outcome, sys.stdout), flush=True)


def show_json(kind: str, moment: float, facts: Mapping[str, object]) -> None:
    """Write one JSON object about a moment of Unix time on one line.

    The encoder's default keeps it printable ASCII.
    """
    about = {"schema": JSON_SCHEMA, "type": kind, "time": timestamp(moment)}
    print(json.dumps({**about, **facts}), flush=True)


def complain(text: str, outcome: Outcome | None = None) -> None:
    """Write one line for the human beside the data, coloured as by `show`."""
    try:
        print(coloured(escape(text), outcome, sys.stderr), file=sys.stderr, flush=True)
    except OSError:  # a word that nobody can read must not change the outcome
        discard(sys.stderr)


def coloured(line: str, outcome: Outcome | None, output: TextIO) -> str:
    """`line` with its first word in the colour of an `outcome`, if `output` has colours."""
    if outcome is None or not _has_colour(output):
        return line
    word = line.partition(" ")[0].rstrip(":;")
    return f"{GOOD if outcome is Outcome.OK else BAD}{word}{PLAIN}{line[len(word) :]}"


def _has_colour(output: TextIO) -> bool:
    # https://no-color.org: set and not empty, whatever it says.
    return not os.environ.get("NO_COLOR") and is_terminal(output)


def is_terminal(output: TextIO) -> bool:
    """Whether it is one that understands escapes; one without a name does not."""
    return os.environ.get("TERM", "") not in ("", "dumb") and output.isatty()


def columns(output: TextIO) -> int:
    """Return the width of the terminal that an output goes to, 80 if the width is unknown."""
    with suppress(OSError):  # not a terminal
        if found := os.get_terminal_size(output.fileno()).columns:
            return found
    return DEFAULT_COLUMNS


def exit_status(tool: Callable[[], int]) -> int:
    """Run `tool` for its exit status, and end quietly when the reader has gone."""
    replace_streams()
    try:
        return _flushed(tool)
    except OSError as error:  # sockets raise none of these, so it is the output: a full disk, say
        return give_up(sys.stdout, error)


def _flushed(tool: Callable[[], int]) -> int:
    try:
        exit_code = tool()
        sys.stdout.flush()
    except SystemExit:  # after --help, say
        sys.stdout.flush()
        raise
    except KeyboardInterrupt:
        # It may be that nobody reads: the interpreter would try once more, not to be stopped.
        discard(sys.stdout)
        discard(sys.stderr)
        return EXIT_INTERRUPTED
    return exit_code


def give_up(output: TextIO, error: OSError) -> int:
    """Throw away what cannot be written, say why, unless the reader has gone; the exit status."""
    discard(output)
    if isinstance(error, BrokenPipeError):
        return EXIT_BROKEN_PIPE
    complain(f"cannot write the output: {error.strerror}")
    return EXIT_WRITE_ERROR

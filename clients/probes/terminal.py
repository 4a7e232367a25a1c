"""What reaches the user: text that cannot drive a terminal, JSON lines, and the exit status."""

from __future__ import annotations

import io
import json
import os
import select
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO

from probes.commands import EXIT_INTERRUPTED
from probes.outcome import Outcome
from probes.result import timestamp

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

JSON_SCHEMA = 1
MAX_QUOTED_CHARS = 60
DEFAULT_COLUMNS = 80

# ECMA-48 section 8.3.117: bold, and green, red or none.
GOOD, BAD, PLAIN = "\x1b[1;32m", "\x1b[1;31m", "\x1b[0m"

EXIT_WRITE_ERROR = 23  # curl's
# What a shell reports for a program ended by SIGPIPE: 128 and the signal's number.
EXIT_BROKEN_PIPE = 141


def escape(text: str) -> str:
    """`text` as printable ASCII and tabs, the rest in Python's escapes and backslashes doubled.

    A peer's bytes could retitle the terminal or fill the clipboard (CWE-150), and bidi controls
    reorder what one reads. Their charset is anybody's guess (RFC 9110 section 5.5), so nothing
    beyond ASCII passes, also when piped: what is in a file today is on a terminal tomorrow.
    """
    return "\t".join(part.encode("unicode_escape").decode() for part in text.split("\t"))


def escape_lines(data: bytes) -> str:
    """Bytes as escaped lines; LF and CR LF stay line ends, empty lines at the end are dropped."""
    lines = data.decode("latin-1").split("\n")
    return "\n".join(escape(line.removesuffix("\r")) for line in lines).rstrip("\n")


def quote(text: str) -> str:
    """`text` in quotes, cut to what a message can carry."""
    cut = f"{text[:MAX_QUOTED_CHARS]}..." if len(text) > MAX_QUOTED_CHARS else text
    return f"'{cut}'"


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
        _discard(sys.stderr)


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
    _replace_streams()
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
        _discard(sys.stdout)
        _discard(sys.stderr)
        return EXIT_INTERRUPTED
    return exit_code


def give_up(output: TextIO, error: OSError) -> int:
    """Throw away what cannot be written, say why, unless the reader has gone; the exit status."""
    _discard(output)
    if isinstance(error, BrokenPipeError):
        return EXIT_BROKEN_PIPE
    complain(f"cannot write the output: {error.strerror}")
    return EXIT_WRITE_ERROR


class PatientFile(io.FileIO):
    """A raw output that waits for a slow reader, also where the descriptor is non-blocking.

    O_NONBLOCK belongs to the open file description. Node.js, ssh and asyncio set it on pipes that
    their children share, and expect it to stay, so it is not cleared here.
    """

    def write(self, data: ReadableBuffer) -> int:
        """Write the first part of `data`; returns how many bytes that was. Raises OSError."""
        while (written := super().write(data)) is None:
            poll = select.poll()
            poll.register(self, select.POLLOUT)
            poll.poll()
        return written


def _replace_streams() -> None:
    # Also with PYTHONUNBUFFERED a buffer is needed: without one, a partial write loses the rest,
    # and argparse hides that a help cannot be written. All that must be seen at once is flushed.
    for name in ("stdout", "stderr"):
        # Started with `>&-`, Python has None for a stream, and a socket would get its descriptor.
        stream = getattr(sys, name) or os.fdopen(
            os.open(os.devnull, os.O_WRONLY), "w", closefd=False
        )
        output = io.BufferedWriter(PatientFile(stream.fileno(), "w", closefd=False))
        setattr(sys, name, io.TextIOWrapper(output, stream.encoding, stream.errors))


def _discard(output: TextIO) -> None:
    # The interpreter flushes once more when it exits, and would report the error again.
    os.dup2(os.open(os.devnull, os.O_WRONLY), output.fileno())

"""Standard streams that lose nothing: buffered, and patient with slow readers."""

from __future__ import annotations

import io
import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from probes.core.outcome import EXIT_BROKEN_PIPE, EXIT_WRITE_ERROR


class PatientFile(io.FileIO):
    """A raw output that waits for a slow reader, also where the descriptor is non-blocking.

    O_NONBLOCK belongs to the open file description. Node.js, ssh and asyncio set it on pipes that
    their children share, and expect it to stay, so it is not cleared here.
    """

    def write(self, data: Any) -> int:
        """Write the first part of `data`; returns how many bytes that was. Raises OSError."""
        while (written := super().write(data)) is None:
            poll = select.poll()
            poll.register(self, select.POLLOUT)
            poll.poll()
        return written


@contextmanager
def standard_streams() -> Iterator[None]:
    """Run the block with our own stdout and stderr, and flush stdout at its end.

    An output that cannot be written raises SystemExit with the exit code for that.
    """
    _replace_streams()
    try:
        try:
            yield
        except SystemExit:  # after --help, for example
            sys.stdout.flush()
            raise
        sys.stdout.flush()
    except KeyboardInterrupt:
        # If no reader reads, the flush of the interpreter would wait without end.
        discard(sys.stdout)
        discard(sys.stderr)
        raise
    except OSError as error:  # sockets raise none, so it is the output: a full disk, for example
        raise SystemExit(give_up(sys.stdout, error)) from error


def give_up(output: TextIO, error: OSError) -> int:
    """Discard what cannot be written, and say why unless the reader left; returns the exit code."""
    discard(output)
    if isinstance(error, BrokenPipeError):
        return EXIT_BROKEN_PIPE
    write_message(f"cannot write the output: {error.strerror}")
    return EXIT_WRITE_ERROR


def write_message(line: str) -> None:
    """Write a line to stderr, at once. A line that cannot be written changes no outcome."""
    try:
        print(line, file=sys.stderr, flush=True)
    except OSError:
        discard(sys.stderr)


def discard(output: TextIO) -> None:
    """Throw away everything that is still to be written to an output."""
    # The interpreter flushes once more when it exits, and would report the error again.
    os.dup2(os.open(os.devnull, os.O_WRONLY), output.fileno())


def _replace_streams() -> None:
    # Also with PYTHONUNBUFFERED a buffer is needed: without one, a partial write loses the rest,
    # and argparse hides that a help cannot be written. Each line that must be seen is flushed.
    for name in ("stdout", "stderr"):
        # Started with `>&-`, Python has None for a stream, and a socket would get its descriptor.
        stream = getattr(sys, name) or os.fdopen(
            os.open(os.devnull, os.O_WRONLY), "w", closefd=False
        )
        output = io.BufferedWriter(PatientFile(stream.fileno(), "w", closefd=False))
        setattr(sys, name, io.TextIOWrapper(output, stream.encoding, stream.errors))

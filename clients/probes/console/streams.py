"""Standard streams that lose nothing: buffered, and patient with slow readers."""

from __future__ import annotations

import io
import os
import select
import sys
from typing import Any, TextIO


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


def replace_streams() -> None:
    """Replace stdout and stderr by streams that have a buffer and wait for slow readers."""
    # Also with PYTHONUNBUFFERED a buffer is needed: without one, a partial write loses the rest,
    # and argparse hides that a help cannot be written. All that must be seen at once is flushed.
    for name in ("stdout", "stderr"):
        # Started with `>&-`, Python has None for a stream, and a socket would get its descriptor.
        stream = getattr(sys, name) or os.fdopen(
            os.open(os.devnull, os.O_WRONLY), "w", closefd=False
        )
        output = io.BufferedWriter(PatientFile(stream.fileno(), "w", closefd=False))
        setattr(sys, name, io.TextIOWrapper(output, stream.encoding, stream.errors))


def discard(output: TextIO) -> None:
    """Throw away all that is still to be written to an output."""
    # The interpreter flushes once more when it exits, and would report the error again.
    os.dup2(os.open(os.devnull, os.O_WRONLY), output.fileno())

"""The pipe through which large messages go back without a visit to Python (splice(2))."""

import fcntl
import os
from contextlib import suppress

# What passes at once, and so what a caller who stops reading may leave behind.
CHUNK_BYTES = 64 * 1024

# A pipe has a slot for each piece of memory that a socket brings, down to a segment, and sixteen
# by itself. This is as much as an unprivileged process may ask for.
PIPE_BYTES = 1024 * 1024


class Pipe:
    """The one pipe of a loop. Whoever fills it empties it in the same turn, so it is everybody's.

    One for each caller would not do: after 64 of them an unprivileged user's pipes shrink to
    8 KiB (pipe(7), pipe-user-pages-soft). Raises OSError where there is none to be had.
    """

    def __init__(self) -> None:
        self.exit, self.entry = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        with suppress(OSError):  # many pipes already, or a sandbox: sixteen slots do, only slower
            fcntl.fcntl(self.entry, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        self._buffer = memoryview(bytearray(CHUNK_BYTES))
        self._buffers = [self._buffer]  # made now, since there may be no memory for it later

    def take_back(self) -> memoryview:
        """Empty the pipe; what was in it, valid until the next call."""
        with suppress(BlockingIOError):  # empty
            return self._buffer[: os.readv(self.exit, self._buffers)]
        return self._buffer[:0]

    def empty(self) -> None:
        """Throw away what is in the pipe."""
        try:  # noqa: SIM105, for there may be no memory for an object of `suppress`
            os.readv(self.exit, self._buffers)
        except BlockingIOError:
            pass

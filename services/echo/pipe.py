"""The pipe through which large messages are echoed without a copy to Python (splice(2))."""

import fcntl
import os
from contextlib import suppress

# The most that one splice moves, and so the most that is kept for a client that stops reading.
CHUNK_BYTES = 64 * 1024

# A pipe takes one slot for each segment of a socket, and has sixteen slots by default. This is the
# maximum for an unprivileged process.
PIPE_BYTES = 1024 * 1024


class Pipe:
    """The pipe of one event loop. A callback that fills it empties it, so all connections share it.

    After 64 pipes of this size further pipes of an unprivileged user shrink to 8 KiB (pipe(7),
    pipe-user-pages-soft). Raises OSError if the system allows no pipe.
    """

    def __init__(self) -> None:
        self.exit, self.entry = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        with suppress(OSError):  # many pipes already, or a sandbox: sixteen slots are slower
            fcntl.fcntl(self.entry, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        self._buffer = memoryview(bytearray(CHUNK_BYTES))
        self._buffers = [self._buffer]  # allocated now, since there may be no memory later

    def take_back(self) -> memoryview:
        """Empty the pipe. Returns its content, valid until the next call."""
        with suppress(BlockingIOError):  # empty
            return self._buffer[: os.readv(self.exit, self._buffers)]
        return self._buffer[:0]

    def empty(self) -> None:
        """Discard the content of the pipe."""
        try:  # noqa: SIM105, for there may be no memory for an object of `suppress`
            os.readv(self.exit, self._buffers)
        except BlockingIOError:
            pass

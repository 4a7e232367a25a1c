"""The evented echo of one connection: what is received is sent in the same callback.

Small messages are copied through a buffer. Large messages are spliced through a pipe, which is
cheaper the larger they are. Both ways take two system calls.
"""

import os
from errno import EACCES, EINVAL, ENOSYS, EPERM
from os import SPLICE_F_NONBLOCK

from echo.pipe import CHUNK_BYTES, Pipe
from runtime.connection import Accepted, CloseReason
from runtime.handler import READABLE, WRITABLE, Handler, Watch
from runtime.log import Log

# Splicing starts at the first size and stops below the second. They differ, so that a stream of
# messages of one size does not switch back and forth.
LARGE_BYTES = 16 * 1024
SMALL_BYTES = 8 * 1024

# The system does not let us splice: a seccomp profile, say, or a kernel without it.
REFUSALS = {EPERM, EACCES, EINVAL, ENOSYS}

# Shared by all connections: it is empty between callbacks.
BUFFER = memoryview(bytearray(CHUNK_BYTES))

NOTHING = memoryview(b"")


class EchoHandlers:
    """Make the handlers of one event loop. It holds what they share."""

    def __init__(self, stall_timeout: float, watch: Watch, log: Log) -> None:
        self.stall_timeout = stall_timeout
        self.watch = watch
        self.pipe: Pipe | None = None
        self._log = log
        try:
            self.pipe = Pipe()
        except OSError as error:
            self._log_refused(error)

    def __call__(self, accepted: Accepted) -> "EchoHandler":
        """Return the handler of a connection."""
        return EchoHandler(accepted, self)

    def note_refusal(self, error: OSError) -> bool:
        """Return whether the system refuses splice. If so, it is not tried again."""
        refused = error.errno in REFUSALS
        if refused and self.pipe:
            self.pipe = None
            self._log_refused(error)
        return refused

    def _log_refused(self, error: OSError) -> None:
        self._log.write("debug", "splice refused", error=error.strerror)


class EchoHandler(Handler):
    """Echo one connection. What the client does not take is kept, and nothing more is received
    until it is sent. So a connection costs one chunk at most.
    """

    __slots__ = ("_acknowledged", "_descriptor", "_pipe", "_shared", "_unsent")

    def __init__(self, accepted: Accepted, shared: EchoHandlers) -> None:
        super().__init__(accepted)
        self._descriptor = self.socket.fileno()
        self._pipe: Pipe | None = None  # while messages are large
        self._shared = shared
        self._acknowledged = -1  # bytes, when the stall timeout was last checked
        self._unsent = NOTHING

    @property
    def has_unsent(self) -> bool:
        """Whether something was received that is not sent yet."""
        return self.sent < self.received

    def on_ready(self, idle_at: float) -> CloseReason | None:
        """Send the rest of the last message, or receive the next one and send it."""
        if self._unsent:
            self._send_rest(idle_at)
            return None
        if self._pipe:
            return self._splice(self._pipe, idle_at)
        size = self.socket.recv_into(BUFFER)
        if not size:
            return CloseReason.DONE
        self.received += size
        try:
            sent = self.socket.send(BUFFER[:size])
        except BlockingIOError:
            sent = 0
        self.sent += sent
        self.deadline = idle_at
        if sent < size:
            self._keep(BUFFER[sent:size])
        elif size >= LARGE_BYTES:
            self._pipe = self._shared.pipe
        return None

    def on_expired(self, now: float) -> CloseReason | None:
        """Close an idle or stalled connection. A client that takes a byte gets more time."""
        if not self._unsent:
            return CloseReason.IDLE
        before, self._acknowledged = self._acknowledged, self.acknowledged()
        if self._acknowledged == before:
            return CloseReason.STALLED
        self.deadline = now + self._shared.stall_timeout
        return None

    def _splice(self, pipe: Pipe, idle_at: float) -> CloseReason | None:
        """Echo through the pipe, which is empty before and after."""
        try:
            size = self._fill(pipe)
            if not size:
                # Either FIN, or an urgent byte is next, which only recv takes.
                self._pipe = None
                return self.on_ready(idle_at)
            self.received += size
            sent = self._drain(pipe, size)
            self.sent += sent
            self.deadline = idle_at
            if sent < size:
                self._keep(pipe.take_back())
            elif size < SMALL_BYTES:
                self._pipe = None
        except MemoryError:
            pipe.empty()  # or these bytes would go to the next connection
            raise
        return None

    def _fill(self, pipe: Pipe) -> int:
        """Splice from the socket to the pipe. Returns the number of bytes, 0 if there are none."""
        try:
            return os.splice(self._descriptor, pipe.entry, CHUNK_BYTES, flags=SPLICE_F_NONBLOCK)
        except OSError as error:
            if isinstance(error, BlockingIOError) or self._shared.note_refusal(error):
                return 0
            raise

    def _drain(self, pipe: Pipe, size: int) -> int:
        """Splice from the pipe to the socket. Returns the number of bytes that it takes."""
        try:
            return os.splice(pipe.exit, self._descriptor, size, flags=SPLICE_F_NONBLOCK)
        except OSError as error:
            self._shared.note_refusal(error)
            return 0  # no room, or a reset: the next send reports it

    def _keep(self, rest: memoryview) -> None:
        """Keep what the client did not take."""
        self._unsent = memoryview(bytes(rest))
        self._shared.watch(self.socket, WRITABLE)
        self._restart_stall_timeout()

    def _send_rest(self, idle_at: float) -> None:
        sent = self.socket.send(self._unsent)
        self.sent += sent
        self._unsent = self._unsent[sent:]
        if self._unsent:
            self._restart_stall_timeout()
        else:
            self._unsent = NOTHING  # instead of an empty view of what is kept no longer
            self.deadline = idle_at
            self._shared.watch(self.socket, READABLE)

    def _restart_stall_timeout(self) -> None:
        """Let the next sweep read the acknowledged bytes: to read them here would cost too much."""
        self.deadline = 0.0
        self._acknowledged = -1

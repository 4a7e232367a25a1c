"""One caller of the evented echo: what comes goes back in the same turn.

Small messages are copied through a buffer. Large ones are spliced through a pipe and never enter
Python, which is cheaper the larger they are. Either way a turn is two system calls.
"""

import os
from errno import EACCES, EINVAL, ENOSYS, EPERM
from os import SPLICE_F_NONBLOCK

from echo.pipe import CHUNK_BYTES, Pipe
from runtime.connection import Accepted, Ending
from runtime.conversation import READABLE, WRITABLE, Conversation, Watch
from runtime.logs import Log

# From where on splicing is cheaper than copying, and where it no longer is: apart, so that a
# stream of like messages does not change the way with every turn.
LARGE_BYTES = 16 * 1024
SMALL_BYTES = 8 * 1024

# The system does not let us splice: a seccomp profile, say, or a kernel without it.
REFUSALS = {EPERM, EACCES, EINVAL, ENOSYS}

# Of all callers: it holds nothing between turns.
BUFFER = memoryview(bytearray(CHUNK_BYTES))

NOTHING = memoryview(b"")


class Exchanges:
    """What the exchanges of one loop share; called with a caller, it makes the next one."""

    def __init__(self, stall_timeout: float, watch: Watch, log: Log) -> None:
        self.stall_timeout = stall_timeout
        self.watch = watch
        self.pipe: Pipe | None = None
        self._log = log
        try:
            self.pipe = Pipe()
        except OSError as error:
            self._say_refused(error)

    def __call__(self, accepted: Accepted) -> "Exchange":
        """The exchange with a caller."""
        return Exchange(accepted, self)

    def note_refusal(self, error: OSError) -> bool:
        """Whether the system does not splice; then it is not asked again."""
        refused = error.errno in REFUSALS
        if refused and self.pipe:
            self.pipe = None
            self._say_refused(error)
        return refused

    def _say_refused(self, error: OSError) -> None:
        self._log.write("debug", "splice refused", error=error.strerror)


class Exchange(Conversation):
    """What the caller does not take is kept, and nothing more is read until it is gone: so a
    caller costs a chunk at most.
    """

    __slots__ = ("_descriptor", "_pipe", "_shared", "_taken", "_unsent")

    def __init__(self, accepted: Accepted, shared: Exchanges) -> None:
        super().__init__(accepted)
        self._descriptor = self.socket.fileno()
        self._pipe: Pipe | None = None  # while messages are large
        self._shared = shared
        self._taken = -1  # what the caller had taken when it was last looked at
        self._unsent = NOTHING

    @property
    def owed(self) -> bool:
        """Whether something has come that has not gone back."""
        return self.sent < self.received

    def turn(self, idle_at: float) -> Ending | None:
        """Send what is left, or receive and send back."""
        if self._unsent:
            self._send_rest(idle_at)
            return None
        if self._pipe:
            return self._splice(self._pipe, idle_at)
        size = self.socket.recv_into(BUFFER)
        if not size:
            return Ending.DONE
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

    def late(self, now: float) -> Ending | None:
        """The caller has been silent, or takes nothing of what waits for it, or merely little."""
        if not self._unsent:
            return Ending.IDLE
        before, self._taken = self._taken, self.taken()
        if self._taken == before:
            return Ending.STALLED
        self.deadline = now + self._shared.stall_timeout
        return None

    def _splice(self, pipe: Pipe, idle_at: float) -> Ending | None:
        """The same through the pipe, which is left as empty as it was found."""
        try:
            size = self._fill(pipe)
            if not size:
                # The end; or an urgent byte is next, which only a receive takes. It knows which.
                self._pipe = None
                return self.turn(idle_at)
            self.received += size
            sent = self._drain(pipe, size)
            self.sent += sent
            self.deadline = idle_at
            if sent < size:
                self._keep(pipe.take_back())
            elif size < SMALL_BYTES:
                self._pipe = None
        except MemoryError:
            pipe.empty()  # or this caller's bytes would be the next one's
            raise
        return None

    def _fill(self, pipe: Pipe) -> int:
        """Splice from the caller; the number of bytes, 0 if there are none."""
        try:
            return os.splice(self._descriptor, pipe.entry, CHUNK_BYTES, flags=SPLICE_F_NONBLOCK)
        except OSError as error:
            if isinstance(error, BlockingIOError) or self._shared.note_refusal(error):
                return 0
            raise

    def _drain(self, pipe: Pipe, size: int) -> int:
        """Splice to the caller; the number of bytes that he takes."""
        try:
            return os.splice(pipe.exit, self._descriptor, size, flags=SPLICE_F_NONBLOCK)
        except OSError as error:
            self._shared.note_refusal(error)
            return 0  # the caller takes nothing now, or never will: so the next send says

    def _keep(self, rest: memoryview) -> None:
        """Wait with what the caller did not take."""
        self._unsent = memoryview(bytes(rest))
        self._shared.watch(self.socket, WRITABLE)
        self._watch_caller()

    def _send_rest(self, idle_at: float) -> None:
        sent = self.socket.send(self._unsent)
        self.sent += sent
        self._unsent = self._unsent[sent:]
        if self._unsent:
            self._watch_caller()
        else:
            self._unsent = NOTHING  # instead of an empty view of what is kept no longer
            self.deadline = idle_at
            self._shared.watch(self.socket, READABLE)

    def _watch_caller(self) -> None:
        """Have the next sweep look at what the caller takes: a look is dearer than a turn."""
        self.deadline = 0.0
        self._taken = -1

"""SIGTERM and SIGINT: the first asks the server to finish, the second ends it at once.

This module imports little, since its handlers are set before anything else: as process 1 of
a container, a signal that comes before its handler is discarded by the kernel.
"""

import math
import os
import select
import signal
import time
from types import FrameType


class Stop:
    """The request to stop, as something that every thread can wait for.

    Its descriptor turns readable with the first signal and stays so, because nobody reads
    it: one request wakes all threads, and none can miss it.
    """

    def __init__(self) -> None:
        self.drain_timeout = 0.0
        self._requested_at = math.inf
        self._signalled = False
        self._reader, writer = os.pipe()
        os.set_blocking(writer, False)
        # Written by the C-level handler, so a signal between a check and a wait is not lost.
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)

    def fileno(self) -> int:
        """The descriptor that is readable once the stop is requested."""
        return self._reader

    @property
    def requested(self) -> bool:
        """Whether a signal has come."""
        return self._requested_at < math.inf

    @property
    def deadline(self) -> float:
        """When open connections must have ended, monotonic seconds; infinite until requested."""
        return self._requested_at + self.drain_timeout

    def request(self) -> None:
        """Note that the stop is requested; what comes later changes nothing."""
        if not self.requested:
            self._requested_at = time.monotonic()

    def wait(self, events: dict[int, int], until: float = math.inf) -> set[int]:
        """Wait for poll events (descriptor: mask); the ready descriptors.

        Empty when the monotonic time `until` has passed or the stop was requested meanwhile.
        Once it is requested it no longer cuts a wait short.
        """
        poll = select.poll()
        for descriptor, mask in events.items():
            poll.register(descriptor, mask)
        if not self.requested:
            poll.register(self._reader, select.POLLIN)
        timeout = until - time.monotonic()
        ready = {fd for fd, _ in poll.poll(None if timeout == math.inf else max(0, timeout * 1000))}
        if self._reader in ready:
            # A thread may see the descriptor before the main thread has run the handler.
            self.request()
            ready.remove(self._reader)
        return ready

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        if self._signalled:
            os._exit(1)
        self._signalled = True
        self.request()

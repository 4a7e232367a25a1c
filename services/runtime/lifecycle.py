"""The request to stop: the first signal makes it, a second one ends the process at once."""

import math
import os
import select
import signal
import time
from collections.abc import Callable
from typing import NoReturn

from runtime.signals import StopSignals, reap

# Beyond the drain deadline the process ends, whatever holds it up. More than a server takes that
# is held up by nothing: the threads and the datagrams of the other models have 4 s together.
OVERDUE_S = 4.5

# When the first signal came, and when the stop was requested; monotonic seconds.
TIMES = 2


class Stop:
    """The request to stop, as something that every thread and every worker can wait for.

    Its descriptor turns readable with the request and stays so, because nobody reads it: one
    request wakes all, and none can miss it.
    """

    def __init__(self) -> None:
        self.drain_delay = 0.0  # seconds from the first signal to the request
        self.drain_timeout = 0.0  # seconds from the request to the deadline
        self.share(memoryview(bytearray(8 * TIMES)).cast("d"))
        self._reader, self._writer = os.pipe()

    def share(self, times: "memoryview[float]") -> None:
        """Keep the times in these cells, `TIMES` of them, which other processes see too.

        Call it before a signal is obeyed, since nothing of the old cells is kept.
        """
        self._times = times
        self._times[0] = self._times[1] = math.inf

    def fileno(self) -> int:
        """The descriptor that is readable once the stop is requested."""
        return self._reader

    @property
    def signalled_at(self) -> float:
        """When the first signal came, monotonic seconds; infinite until then."""
        return self._times[0]

    @property
    def signalled(self) -> bool:
        """Whether the first signal has come."""
        return self._times[0] < math.inf

    @property
    def requested(self) -> bool:
        """Whether to accept nobody any more."""
        return self._times[1] < math.inf

    @property
    def deadline(self) -> float:
        """When open connections must have ended, monotonic seconds; infinite until requested."""
        return self._times[1] + self.drain_timeout

    def announce(self) -> None:
        """Tell that the stop will be requested, after the drain delay."""
        self._times[0] = time.monotonic()

    def request(self) -> None:
        """Ask all to stop."""
        self._times[1] = time.monotonic()
        os.write(self._writer, b".")

    def leave_to_supervisor(self) -> None:
        """In a worker: have the descriptor turn readable also when the supervisor has gone."""
        os.close(self._writer)

    def heed(self) -> None:
        """Take note that the descriptor is readable. A supervisor that was killed tells no time
        of the request: then it is now.
        """
        if not self.requested:
            self.announce()
            self._times[1] = self._times[0]

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
        ready = poll.poll(None if timeout == math.inf else max(0.0, timeout * 1000))
        return {descriptor for descriptor, _ in ready} - {self._reader}


def obey(signals: StopSignals, stop: Stop, tell: Callable[[], None]) -> NoReturn:
    """Stop as the signals ask: the work of a thread of its own in a server without workers.

    `tell` is called after the first signal. It must not wait, nor raise.
    """

    def comes(until: float = math.inf) -> bool:
        while (came := signals.wait(until)) == signal.SIGCHLD:
            reap()
        return came != 0

    comes()
    stop.announce()
    tell()
    # In this thread, since another may not be had by now: the threaded model uses them up.
    if not comes(stop.signalled_at + stop.drain_delay):
        stop.request()
        comes(stop.deadline + OVERDUE_S)
    os._exit(1)

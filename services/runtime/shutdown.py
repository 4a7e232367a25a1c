"""The shutdown of a server: a delay, then a drain; a second signal ends the process at once."""

import math
import os
import select
import signal
import time
from collections.abc import Callable
from typing import NoReturn

from runtime.signals import StopSignals, reap

# The process ends this long after the drain deadline, even if something hangs. A server that does
# not hang takes less: its threads and its datagrams have 4 s together.
OVERDUE_S = 4.5

# When the delay and when the drain began; monotonic seconds.
TIMES = 2


class Shutdown:
    """The state of a shutdown, which every thread and every worker can poll.

    Its descriptor becomes readable when the drain begins. No reader consumes it, so it stays
    readable, and one drain wakes all.
    """

    def __init__(self, drain_delay: float = 0.0, drain_timeout: float = 0.0) -> None:
        """Take two times in seconds: from the first signal to the drain, and of the drain."""
        self.drain_delay = drain_delay
        self.drain_timeout = drain_timeout
        self.share(memoryview(bytearray(8 * TIMES)).cast("d"))
        self._reader, self._writer = os.pipe()

    def share(self, times: "memoryview[float]") -> None:
        """Keep the times in these `TIMES` cells, which other processes see too.

        Call it before the delay begins, since the old cells are not copied.
        """
        self._times = times
        self._times[0] = self._times[1] = math.inf

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when the drain begins."""
        return self._reader

    @property
    def delaying(self) -> bool:
        """Whether the first signal has come: the server still accepts, but is not ready."""
        return self._times[0] < math.inf

    @property
    def draining(self) -> bool:
        """Whether the drain has begun: the server accepts no new connection."""
        return self._times[1] < math.inf

    @property
    def delay_ends_at(self) -> float:
        """When the drain is to begin, monotonic seconds; infinite before the first signal."""
        return self._times[0] + self.drain_delay

    @property
    def deadline(self) -> float:
        """When open connections are closed, monotonic seconds; infinite before the drain."""
        return self._times[1] + self.drain_timeout

    def begin_delay(self) -> None:
        """Note that the first signal has come."""
        self._times[0] = time.monotonic()

    def begin_drain(self) -> None:
        """Begin the drain, in all workers too."""
        self._times[1] = time.monotonic()
        os.write(self._writer, b".")

    def leave_to_supervisor(self) -> None:
        """In a worker: make the descriptor readable also if the supervisor has died."""
        os.close(self._writer)

    def note_hang_up(self) -> None:
        """Begin the drain if the descriptor is readable because the supervisor has died."""
        if not self.draining:
            self.begin_delay()
            self._times[1] = self._times[0]

    def wait(self, events: dict[int, int], until: float = math.inf) -> set[int]:
        """Wait for poll events (descriptor: mask), and return the ready descriptors.

        Returns nothing at the monotonic time `until`, and when the drain begins. After that the
        drain no longer interrupts.
        """
        poll = select.poll()
        for descriptor, mask in events.items():
            poll.register(descriptor, mask)
        if not self.draining:
            poll.register(self._reader, select.POLLIN)
        timeout = until - time.monotonic()
        ready = poll.poll(None if timeout == math.inf else max(0.0, timeout * 1000))
        return {descriptor for descriptor, _ in ready} - {self._reader}


def obey(signals: StopSignals, shutdown: Shutdown, report: Callable[[], None]) -> NoReturn:
    """Run the shutdown as the signals ask, in a thread of its own. For a server without workers.

    `report` is called after the first signal. It must not block, and not raise.
    """

    def comes(until: float = math.inf) -> bool:
        while (came := signals.wait(until)) == signal.SIGCHLD:
            reap()
        return came != 0

    comes()
    shutdown.begin_delay()
    report()
    # In this thread, since the system may refuse another: the threaded model can use them up.
    if not comes(shutdown.delay_ends_at):
        shutdown.begin_drain()
        comes(shutdown.deadline + OVERDUE_S)
    os._exit(1)

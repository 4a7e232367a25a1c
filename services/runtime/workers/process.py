"""A child process that its supervisor forks, and forks again after its end."""

import os
import signal
import sys
import time
from collections.abc import Callable
from typing import NoReturn

from runtime.log import Sink
from runtime.ports import CannotStart
from runtime.workers.scoreboard import Slot

# A dead process is replaced at once. While replacements die early the pauses double, so that a
# process that keeps dying costs little.
HEALTHY_AFTER_S = 5.0
FIRST_PAUSE_S, LAST_PAUSE_S = 0.1, 10.0


class Backoff:
    """The pauses before a process is started again."""

    def __init__(self) -> None:
        self._next = 0.0

    def pause(self, lived: float) -> float:
        """Return the pause in seconds after a process that ran for that many seconds."""
        now = 0.0 if lived >= HEALTHY_AFTER_S else self._next
        self._next = min(max(FIRST_PAUSE_S, 2 * now), LAST_PAUSE_S)
        return now


class Process:
    """A child process, and when to start it again."""

    def __init__(self, name: str, work: Callable[[], object], slot: Slot | None = None) -> None:
        self.name = name
        self.slot = slot  # of a worker
        self.pid = 0  # 0 while it does not run
        self.due = 0.0  # when to start it, monotonic seconds
        self._work = work
        self._backoff = Backoff()
        self._started_at = 0.0

    def start(self) -> None:
        """Fork. Raises OSError if the system allows no further process."""
        self._started_at = time.monotonic()
        if self.slot:
            self.slot.resume()
        self.pid = os.fork()
        if not self.pid:
            self._work_and_exit()

    def ended(self) -> float:
        """Note the end, or that it did not start. Returns the seconds until the next start."""
        now = time.monotonic()
        pause = self._backoff.pause(now - self._started_at)
        self.pid, self.due = 0, now + pause
        if pause and self.slot:
            self.slot.suspend()  # a worker that keeps dying serves no client meanwhile
        return pause

    def kill(self) -> None:
        """Kill the process, if it runs."""
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)

    def join(self) -> None:
        """Wait until the process has ended and its descriptors are closed."""
        if self.pid:
            os.waitpid(self.pid, 0)

    def _work_and_exit(self) -> NoReturn:
        """Do the work of the child and exit. It must not return into the parent's code."""
        status = 1
        try:
            self._work()
            status = 0
        except CannotStart as error:
            Sink.of(sys.stderr).write(f"{self.name}: {error}")
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(status)

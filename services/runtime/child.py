"""A process that a supervisor forks, and forks again when it has ended."""

import os
import signal
import sys
import time
from collections.abc import Callable
from typing import NoReturn

from runtime.logs import Sink
from runtime.ports import CannotStart
from runtime.scoreboard import Slot

# Who dies is replaced at once. As long as replacements die young the pauses double, so that what
# keeps dying costs next to nothing.
GOOD_LIFE_S = 5.0
FIRST_PAUSE_S, LAST_PAUSE_S = 0.1, 10.0


class Backoff:
    """How long to wait before something that has died is started again."""

    def __init__(self) -> None:
        self._next = 0.0

    def pause(self, lived: float) -> float:
        """The pause after a life of that many seconds, in seconds: none after a good one."""
        now = 0.0 if lived >= GOOD_LIFE_S else self._next
        self._next = min(max(FIRST_PAUSE_S, 2 * now), LAST_PAUSE_S)
        return now


class Child:
    """A process that is to be there, and is started again when it has ended."""

    def __init__(self, name: str, work: Callable[[], object], slot: Slot | None = None) -> None:
        self.name = name
        self.slot = slot  # of a worker
        self.pid = 0  # while there is none
        self.due = 0.0  # when to start it, monotonic seconds
        self._work = work
        self._backoff = Backoff()
        self._started_at = 0.0

    def start(self) -> None:
        """Fork. Raises OSError where the system has no room for one more process."""
        self._started_at = time.monotonic()
        if self.slot:
            self.slot.resume()
        self.pid = os.fork()
        if not self.pid:
            self._work_and_exit()

    def ended(self) -> float:
        """It has ended, or could not be started: the seconds until the next is due."""
        now = time.monotonic()
        pause = self._backoff.pause(now - self._started_at)
        self.pid, self.due = 0, now + pause
        if pause and self.slot:
            self.slot.suspend()  # a worker that keeps dying serves nobody meanwhile
        return pause

    def kill(self) -> None:
        """End it at once, if it runs."""
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)

    def join(self) -> None:
        """Wait until it has gone, with all that it had open."""
        if self.pid:
            os.waitpid(self.pid, 0)

    def _work_and_exit(self) -> NoReturn:
        """All that a child ever does: it must not return to what its parent was about to do."""
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

"""One limit over everything a try does.

A timeout per read is no limit at all: a peer that drips a byte a second never trips it.
"""

from __future__ import annotations

import time
from collections.abc import Callable


class Deadline:
    """A moment, `seconds` from now on a clock that is never set back."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seconds = seconds
        self._end = clock() + seconds

    def remaining(self) -> float:
        """Seconds that are left, always above zero; raises TimeoutError once none are."""
        seconds = self._end - self._clock()
        if seconds <= 0:
            raise TimeoutError
        return seconds

    def is_over(self) -> bool:
        """Whether nothing is left."""
        return self._clock() >= self._end

    def renew(self) -> None:
        """Move the deadline to where it would be if it were set now."""
        self._end = self._clock() + self._seconds

    def extend(self, seconds: float) -> None:
        """Move the deadline to `seconds` later."""
        self._end += seconds

    def shorten(self, seconds: float) -> None:
        """Move the deadline to `seconds` from now, unless it is sooner anyway."""
        self._end = min(self._end, self._clock() + seconds)

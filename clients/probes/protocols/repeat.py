"""Attempts that repeat: at a pace, and until one of them is as expected."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from probes.core.outcome import Outcome

T = TypeVar("T")

# If Ctrl-C comes just before the system call of a sleep, it is noticed only after the sleep.
LONGEST_SLEEP_S = 1.0
# Short enough to lose no time on what starts quickly, and soon long enough to be no burden on what
# does not.
FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 2.0


def paced(count: int | None, interval_s: float, due: float = -math.inf) -> Iterator[int]:
    """Yield 1 to `count`, or without end, `interval_s` apart from start to start; after a late one
    at once. The first is `due` at that moment of the monotonic clock.
    """
    for number in itertools.count(1):
        while (left := due - time.monotonic()) > 0:
            time.sleep(min(left, LONGEST_SLEEP_S))
        due = time.monotonic() + interval_s
        yield number
        if number == count:
            return


def shortest_attempt_s(expected: tuple[Outcome, ...], timeout_s: float) -> float:
    """Return how many seconds each attempt must have: one that we cut short has not timed out."""
    return timeout_s if Outcome.TIMEOUT in expected else FIRST_PAUSE_S


def until_met(
    attempt: Callable[[float], T],
    is_met: Callable[[T], bool],
    wait_s: float | None,
    shortest_s: float = FIRST_PAUSE_S,
) -> T:
    """Make attempts until one is met or `wait_s` are over, and return the last; one if it is None.

    `attempt` gets the seconds that it may take, never fewer than `shortest_s`. Pauses double, but
    none is longer than half of the time left, so that attempts are made until the end.
    """
    if wait_s is None:
        return attempt(math.inf)
    end = time.monotonic() + wait_s
    pause = FIRST_PAUSE_S
    while True:
        attempted = attempt(max(end - time.monotonic(), shortest_s))
        left = end - time.monotonic()
        if is_met(attempted) or left < 2 * FIRST_PAUSE_S:
            return attempted
        time.sleep(min(pause, left / 2))
        pause = min(2 * pause, LONGEST_PAUSE_S)

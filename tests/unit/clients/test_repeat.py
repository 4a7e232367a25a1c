"""The pace of several tries, on a clock of the test's own."""

from __future__ import annotations

import time
from itertools import islice

import pytest

from probes.protocols.repeat import LONGEST_SLEEP_S, paced


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The time that is asked and slept through."""
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", lambda: clock.now)
    monkeypatch.setattr(time, "sleep", clock.sleep)
    return clock


class Clock:
    """Goes on when somebody sleeps, and remembers the longest sleep."""

    def __init__(self) -> None:
        self.now = 0.0
        self.longest = 0.0

    def sleep(self, seconds: float) -> None:
        """Let so much time pass."""
        self.now += seconds
        self.longest = max(self.longest, seconds)


def test_pace(clock: Clock) -> None:
    """Tries start an interval apart, a late one is followed at once, and none waits at the end."""
    started = []
    for _, took in zip(paced(4, 10.0), [1.0, 12.0, 2.0, 3.0], strict=True):
        started.append(clock.now)
        clock.now += took
    assert started == [0.0, 10.0, 22.0, 32.0]
    assert clock.now == 35.0


def test_first_is_due_later(clock: Clock) -> None:
    """The first may be due at a moment; the others follow it."""
    started = [clock.now for _ in paced(2, 10.0, due=3.0)]
    assert started == [3.0, 13.0]


def test_without_end(clock: Clock) -> None:
    """Without a count it goes on."""
    assert list(islice(paced(None, 10.0), 1000)) == list(range(1, 1001))
    assert clock.now == 9990.0


def test_no_long_sleep(clock: Clock) -> None:
    """However long the interval, a lost Ctrl-C is noticed within a second."""
    assert list(paced(2, 600.0)) == [1, 2]
    assert clock.longest == LONGEST_SLEEP_S <= 1

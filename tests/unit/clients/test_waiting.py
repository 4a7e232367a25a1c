"""Trying again with growing pauses, on a clock of the test's own."""

from __future__ import annotations

import math
import time

import pytest

from probes.protocols.repeat import until_met


class Clock:
    """A clock that only sleeping, or the test, moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def sleep(self, seconds: float) -> None:
        """Move on."""
        self.pauses.append(round(seconds, 3))
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock that waiting goes by."""
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", lambda: clock.now)
    monkeypatch.setattr(time, "sleep", clock.sleep)
    return clock


def test_without_waiting(clock: Clock) -> None:
    """One try is made, met or not, and its time is its own."""
    assert until_met(lambda at_most_s: at_most_s, lambda _: False, None) == math.inf
    assert clock.pauses == []


def test_met_at_once(clock: Clock) -> None:
    """What is met by the first try waits for nothing."""
    assert until_met(lambda at_most_s: at_most_s, lambda _: True, 30) == 30
    assert clock.pauses == []


def test_pauses_grow(clock: Clock) -> None:
    """Pauses double from a tenth of a second to two seconds, until a try is met."""
    tries = iter(range(9))
    assert until_met(lambda _: next(tries), lambda number: number == 8, 60) == 8
    assert clock.pauses == [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0, 2.0]


def test_in_vain(clock: Clock) -> None:
    """Tries are made until close to the end, none may take longer, and the last is returned."""
    allowed = []

    def attempt(at_most_s: float) -> int:
        allowed.append(clock.now + at_most_s)
        return len(allowed)

    assert until_met(attempt, lambda _: False, 3) == len(allowed)
    assert 3 - 0.2 < clock.now < 3
    assert all(end == pytest.approx(3) for end in allowed)
    assert sum(clock.pauses) == pytest.approx(clock.now, abs=0.01)


@pytest.mark.fault("`--wait`, if TIMEOUT is expected")
def test_a_try_is_not_cut_short(clock: Clock) -> None:
    """Where each try must have its time it has it, also beyond the end; none begins after that."""
    allowed = []

    def attempt(at_most_s: float) -> float:
        allowed.append(at_most_s)
        clock.now += 0.3
        return at_most_s

    until_met(attempt, lambda _: False, 5, 2)
    assert len(allowed) > 5
    assert allowed[0] == 5
    assert min(allowed) == 2
    assert clock.now < 5 + 0.3


def test_a_try_that_takes_all_the_time(clock: Clock) -> None:
    """When time is over after a try there is no other."""

    def attempt(at_most_s: float) -> str:
        clock.now += at_most_s
        return "timed out"

    assert until_met(attempt, lambda _: False, 5) == "timed out"
    assert (clock.now, clock.pauses) == (5, [])

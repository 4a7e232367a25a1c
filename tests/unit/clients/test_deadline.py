"""The deadline, on a clock of the test's own."""

from __future__ import annotations

import pytest

from probes.net.deadline import Deadline


class Clock:
    """A clock that moves when told to."""

    now = 1000.0

    def __call__(self) -> float:
        """The time it is told it is."""
        return self.now


def test_remaining() -> None:
    """What is left shrinks as the clock goes on, and is never zero: then it is TimeoutError."""
    clock = Clock()
    deadline = Deadline(10, clock)
    assert deadline.remaining() == 10
    clock.now += 9.5
    assert deadline.remaining() == 0.5
    clock.now += 0.5
    with pytest.raises(TimeoutError):
        deadline.remaining()


def test_extend() -> None:
    """A deadline is moved away by so much, also when it has passed."""
    clock = Clock()
    deadline = Deadline(1, clock)
    clock.now += 2
    deadline.extend(3)
    assert deadline.remaining() == 2


def test_renew() -> None:
    """A deadline is set anew, whatever was left of it."""
    clock = Clock()
    deadline = Deadline(5, clock)
    clock.now += 4
    deadline.renew()
    assert deadline.remaining() == 5


@pytest.mark.parametrize(("seconds", "left"), [(1, 1), (10, 10), (20, 10)])
def test_shorten(seconds: float, left: float) -> None:
    """A deadline is moved closer, never further away."""
    deadline = Deadline(10, Clock())
    deadline.shorten(seconds)
    assert deadline.remaining() == left

"""The pauses before a dead process is replaced."""

import pytest

from runtime.workers.process import HEALTHY_AFTER_S, Backoff


@pytest.mark.fault("a worker that keeps dying")
def test_pauses_double_up_to_ten_seconds() -> None:
    """What keeps dying young is replaced at once, and then ever more slowly."""
    backoff = Backoff()
    pauses = [backoff.pause(0.1) for _ in range(10)]
    assert pauses == [0.0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0]


def test_a_good_life_is_replaced_at_once() -> None:
    """After a life of some seconds the pauses begin anew."""
    backoff = Backoff()
    for _ in range(5):
        backoff.pause(0.1)
    assert [backoff.pause(lived) for lived in (HEALTHY_AFTER_S, 0.1, 0.1)] == [0.0, 0.1, 0.2]

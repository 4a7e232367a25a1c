"""The stop, as a worker sees it."""

import select
import time

from runtime.lifecycle import Stop


def test_a_request_is_seen_by_its_descriptor() -> None:
    """The descriptor turns readable with the request, whose time stays what it was."""
    stop = Stop()
    assert select.select([stop], [], [], 0)[0] == []
    stop.request()
    deadline = stop.deadline
    assert select.select([stop], [], [], 0)[0] == [stop]
    stop.heed()
    assert stop.deadline == deadline


def test_a_hang_up_is_a_request() -> None:
    """When nobody is left who could ask, it is as if somebody had, now."""
    stop = Stop()
    stop.drain_timeout = 5.0
    stop.leave_to_supervisor()
    assert select.select([stop], [], [], 0)[0] == [stop]
    assert not stop.requested
    before = time.monotonic()
    stop.heed()
    assert stop.signalled
    assert before + 5 <= stop.deadline <= time.monotonic() + 5

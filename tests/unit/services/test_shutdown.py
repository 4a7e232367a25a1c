"""The shutdown, as a worker sees it."""

import select
import time

from runtime.shutdown import Shutdown


def test_a_request_is_seen_by_its_descriptor() -> None:
    """The descriptor turns readable with the request, whose time stays what it was."""
    shutdown = Shutdown()
    assert select.select([shutdown], [], [], 0)[0] == []
    shutdown.begin_drain()
    deadline = shutdown.deadline
    assert select.select([shutdown], [], [], 0)[0] == [shutdown]
    shutdown.note_hang_up()
    assert shutdown.deadline == deadline


def test_a_hang_up_is_a_request() -> None:
    """When nobody is left who could ask, it is as if somebody had, now."""
    shutdown = Shutdown()
    shutdown.drain_timeout = 5.0
    shutdown.leave_to_supervisor()
    assert select.select([shutdown], [], [], 0)[0] == [shutdown]
    assert not shutdown.draining
    before = time.monotonic()
    shutdown.note_hang_up()
    assert shutdown.delaying
    assert before + 5 <= shutdown.deadline <= time.monotonic() + 5

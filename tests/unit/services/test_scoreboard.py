"""What workers tell of themselves: counts that never fall, and whether they are alive."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from runtime.connection import CloseReason, Connection
from runtime.counters import Counters
from runtime.heartbeat import STALLED_AFTER_S
from runtime.workers.scoreboard import Scoreboard

Connect = Callable[[int, int], Connection]


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Make connections on which so many bytes were received and sent."""
    with ExitStack() as stack:

        def connected(received: int, sent: int) -> Connection:
            ours, _ = map(stack.enter_context, socket.socketpair())
            made = Connection((ours, None))
            made.received, made.sent = received, sent
            return made

        yield connected


def test_counts_are_summed_over_workers(connect: Connect) -> None:
    """Every number of every counters is in the sums, once it is published."""
    scoreboard = Scoreboard(3)
    for factor, slot in enumerate(scoreboard.slots, 1):
        counters = Counters(slot.cells)
        counters.opened(connect(10 * factor, factor))
        counters.datagrams_sent = factor
        counters.drops["rate"] += factor
        counters.accept_errors["EMFILE"] += factor
        assert scoreboard.counts()["EMFILE"] == sum(range(factor))
        counters.publish()
    counts = scoreboard.counts()
    assert counts.keys() == Counters().counts().keys()
    assert (counts["connections"], counts["open"]) == (3, 3)
    assert (counts["received"], counts["sent"]) == (60, 6)
    assert counts["datagrams_sent"] == counts["rate"] == counts["EMFILE"] == 6


def test_a_replacement_goes_on_from_what_was_told(connect: Connect) -> None:
    """The connections of a dead worker are lost, and all it has told stays in the sums."""
    scoreboard = Scoreboard(1)
    (slot,) = scoreboard.slots
    dead = Counters(slot.cells)
    for size in (100, 200):
        dead.opened(connect(size, size))
    dead.publish()
    slot.vacate()
    counters = Counters(slot.cells)
    caller = connect(1, 1)
    counters.opened(caller)
    counters.ended(caller, CloseReason.LOST)
    counters.publish()
    counts = scoreboard.counts()
    assert (counts["connections"], counts["open"], counts[CloseReason.LOST]) == (3, 0, 3)
    assert (counts["received"], counts["sent"]) == (301, 301)


def test_a_death_in_the_middle_of_telling_loses_no_connection(connect: Connect) -> None:
    """Whatever of its numbers a worker had still told, connections are those open or ended."""
    names = list(Counters().counts())
    for told in range(len(names)):
        scoreboard = Scoreboard(1)
        (slot,) = scoreboard.slots
        counters = Counters(slot.cells)
        callers = [connect(1, 1) for _ in range(4)]
        counters.opened(callers[0])
        counters.publish()
        before = slot.cells.tolist()
        for caller in callers[1:]:
            counters.opened(caller)
        for caller in callers[:2]:
            counters.ended(caller, CloseReason.DONE)
        counters.publish()
        for index in range(told, len(names)):
            slot.cells[index] = before[index]
        slot.vacate()
        counts = scoreboard.counts()
        assert counts["connections"] == sum(counts[reason] for reason in CloseReason)
        assert counts["open"] == 0


def test_a_tally_without_cells_publishes_nowhere() -> None:
    """A server of one process is asked for its numbers directly."""
    Counters().publish()


def test_all_workers_must_be_alive() -> None:
    """One worker in a turn without end is enough; a dead one is held up by nothing."""
    scoreboard = Scoreboard(2)
    slot = scoreboard.slots[1]
    assert scoreboard.is_alive()
    with slot.heartbeat:
        assert scoreboard.is_alive()
        slot.heartbeat.cell[0] = time.monotonic() - STALLED_AFTER_S
        assert not scoreboard.is_alive()
        slot.vacate()
        assert scoreboard.is_alive()


def test_a_stopped_worker_is_not_alive_until_it_goes_on() -> None:
    """One that is stopped while it waits is told from one that waits; in a turn it is that turn
    which tells, before and after.
    """
    scoreboard = Scoreboard(1)
    (slot,) = scoreboard.slots
    slot.suspend()
    assert not scoreboard.is_alive()
    slot.resume()
    assert scoreboard.is_alive()
    with slot.heartbeat:
        since = slot.heartbeat.cell[0]
        slot.suspend()
        slot.resume()
        assert slot.heartbeat.cell[0] == since

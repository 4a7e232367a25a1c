"""Pauses of an answer, at times that the test names."""

from __future__ import annotations

import math

import pytest

from probes.protocols.echo_session import Pause, Pauses


@pytest.fixture
def told() -> list[Pause]:
    """What is told, in order."""
    return []


@pytest.fixture
def pauses(told: list[Pause]) -> Pauses:
    """Pauses of which one second is allowed."""
    return Pauses(1.0, told.append)


def test_answers_in_time(pauses: Pauses, told: list[Pause]) -> None:
    """Answers that come in time are no pauses to tell of, but the longest is known."""
    for now, took in ((0.0, 0.25), (2.0, 0.75), (4.0, 0.5)):
        pauses.pending(now)
        pauses.received(now + took)
    assert (pauses.longest_s, pauses.count, told) == (0.75, 0, [])


def test_silence_that_owes_nothing(pauses: Pauses, told: list[Pause]) -> None:
    """However long nothing is sent, nothing that comes back is missing."""
    pauses.pending(0.0)
    pauses.received(0.5)
    assert pauses.due == math.inf
    pauses.look(1000.0)
    pauses.pending(1000.0)
    pauses.received(1000.25)
    assert (pauses.longest_s, told) == (0.5, [])


def test_a_pause_is_told_twice(pauses: Pauses, told: list[Pause]) -> None:
    """Once it is longer than allowed, and once it is over; it is counted once."""
    pauses.pending(0.0)
    assert pauses.due == 1.0
    pauses.look(0.5)
    assert told == []
    pauses.look(1.0)
    assert told == [Pause(1.0, over=False)]
    assert pauses.due == math.inf
    pauses.look(2.0)
    pauses.received(3.5)
    assert told == [Pause(1.0, over=False), Pause(3.5, over=True)]
    assert (pauses.longest_s, pauses.count) == (3.5, 1)


def test_a_pause_begins_with_the_oldest_byte_that_is_owed(pauses: Pauses) -> None:
    """What is sent into the silence does not shorten it."""
    pauses.pending(0.0)
    pauses.pending(0.75)
    assert pauses.due == 1.0


def test_a_pause_begins_again_with_each_byte(pauses: Pauses, told: list[Pause]) -> None:
    """Who drips pauses between the drops only."""
    pauses.pending(0.0)
    for now in (0.75, 1.5, 2.25):
        pauses.received(now)
        pauses.pending(now)
    assert (pauses.due, pauses.longest_s, told) == (3.25, 0.75, [])


def test_a_pause_that_nobody_looked_at(pauses: Pauses, told: list[Pause]) -> None:
    """A pause that is over before it was noticed is told all the same."""
    pauses.pending(0.0)
    pauses.received(5.0)
    assert told == [Pause(5.0, over=False), Pause(5.0, over=True)]
    assert pauses.count == 1


def test_a_pause_that_is_not_over(pauses: Pauses) -> None:
    """The longest pause may be the one that is under way."""
    pauses.pending(0.0)
    pauses.look(0.5)
    assert (pauses.longest_s, pauses.count) == (0.5, 0)

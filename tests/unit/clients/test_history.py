"""What a watch remembers and tells of changes: outcomes, gaps, and who answered."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator

import pytest

from probes.core.outcome import Outcome
from probes.core.result import Result
from probes.stats.name_counter import MAX_NAMES
from probes.watch.history import History
from probes.watch.outages import MAX_GAPS, Outage
from unit.clients.tries import ADDRESS, tried

OK, REFUSED, RESET = Outcome.OK, Outcome.REFUSED, Outcome.RESET


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Lines tell the time in the zone of who looks."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def told(*tries: Result, journal: History | None = None) -> list[str]:
    """The news of tries that end a second apart, without the time."""
    taking = journal or History(1)
    return [
        f"{news.lead}{news.text}".removeprefix("17:25:25 ")
        for second, each in enumerate(tries)
        for news in taking.add(second, each)
    ]


def test_changes() -> None:
    """Only what differs from the try before is news, with the reason, and the length of a gap."""
    tries = [OK, OK, REFUSED, REFUSED, RESET, OK, OK]
    assert told(*(tried(each) for each in tries)) == [
        "begins OK",
        f"first answer by {ADDRESS}",
        "OK -> REFUSED: why",
        "REFUSED -> RESET: why",
        "RESET -> OK after a gap of 4.0 s",
    ]


def test_gaps() -> None:
    """A gap lasts from the last good try, or the beginning, to the next, and counts those between;
    one that is not over lasts until the last try, and is told in sum.
    """
    journal = History(1)
    tries = [REFUSED, REFUSED, OK, OK, RESET, REFUSED, OK, RESET]
    told(*(tried(each) for each in tries), journal=journal)
    assert journal.outages.kept == [
        Outage(0, 2, False, Counter({REFUSED: 2}), is_over=True),
        Outage(3, 6, True, Counter({RESET: 1, REFUSED: 1}), is_over=True),
        Outage(6, 7, True, Counter({RESET: 1}), is_over=False),
    ]
    assert journal.outages.line() == "3 gaps, the longest 3.0 s, the last not over"
    assert journal.outages.facts() == {"gaps": 3, "longest_gap_ms": 3000.0, "gap_open": True}


def test_end() -> None:
    """A gap that is not over has lasted until the run ends, and so has the run."""
    journal = History(1)
    told(*map(tried, [OK, RESET]), journal=journal)
    journal.end(9.5)
    assert journal.outages.line() == "1 gap, the longest 9.5 s, the last not over"
    assert journal.total.ended_s == 9.5


def test_one_gap() -> None:
    """One that is over is told as one; where there was none, nothing is."""
    journal = History(1)
    told(*map(tried, [OK, RESET, OK]), journal=journal)
    assert journal.outages.line() == "1 gap, the longest 2.0 s"
    none = History(1).outages
    assert none.line() == ""
    assert none.facts() == {"gaps": 0, "longest_gap_ms": None, "gap_open": False}


def test_nothing_good_before() -> None:
    """What comes as expected for the first time ends no gap between two, and is told so."""
    tries = [REFUSED, REFUSED, OK, RESET, OK]
    assert told(*map(tried, tries)) == [
        "begins REFUSED: why",
        "REFUSED -> OK for the first time, after 2.0 s",
        f"first answer by {ADDRESS}",
        "OK -> RESET: why",
        "RESET -> OK after a gap of 2.0 s",
    ]


@pytest.mark.fault("outcomes that change with every attempt of an outage")
def test_flapping() -> None:
    """What comes and goes within a gap is told once in it, and again in the next."""
    tries = [RESET, REFUSED, RESET, REFUSED, OK, OK, REFUSED, RESET, REFUSED, OK]
    assert [line for line in told(*map(tried, tries)) if "first answer" not in line] == [
        "begins RESET: why",
        "RESET -> REFUSED: why",
        "REFUSED -> OK for the first time, after 4.0 s",
        "OK -> REFUSED: why",
        "REFUSED -> RESET: why",
        "REFUSED -> OK after a gap of 4.0 s",
    ]


def test_facts_of_a_change() -> None:
    """JSON has the same: the moment, from and to, the gap in milliseconds and the reason."""
    journal = History(1)
    (begun,) = journal.add(0, tried(REFUSED))
    assert begun.time == 1283102725.5
    assert begun.facts == {
        "from": None,
        "to": "REFUSED",
        "outcome": "REFUSED",
        "gap_ms": None,
        "detail": "why",
    }
    change, first = journal.add(1.5, tried(identity="web-1"))
    assert (change.kind, change.facts["gap_ms"]) == ("change", 1500.0)
    assert (first.kind, first.time) == ("first_answer", 1283102725.5)
    assert first.facts == {"by": "web-1"}


def test_expectation() -> None:
    """With --expect a change tells what came, and a gap is the time when it was not expected."""
    expected = (REFUSED, RESET)
    tries = [REFUSED, RESET, OK, REFUSED]
    assert told(*(tried(each, expected=expected) for each in tries)) == [
        "begins REFUSED: why",
        "REFUSED -> RESET: why",
        "RESET -> OK",
        f"first answer by {ADDRESS}",
        "OK -> REFUSED after a gap of 2.0 s: why",
    ]


def test_first_answers() -> None:
    """D5: each name is news once; first and last answer of each are remembered."""
    journal = History(1)
    names = ["web-1", "web-2", "web-1", "web-2", "web-3"]
    news = told(*(tried(identity=name) for name in names), journal=journal)
    assert news[1:] == [f"first answer by {name}" for name in ("web-1", "web-2", "web-3")]
    assert journal.seen_s == {"web-1": (0, 2), "web-2": (1, 3), "web-3": (4, 4)}


def test_bounded() -> None:
    """Of gaps the longest 100 are kept, of names 1,000; all are counted."""
    journal = History(1)
    at_s = 0.0
    for number in range(MAX_NAMES + 7):
        journal.add(at_s, tried(identity=f"web-{number}"))
        journal.add(at_s + 1, tried(RESET))
        at_s += 2 + number
    journal.add(at_s, tried(identity="web-0"))
    lengths = [gap.seconds for gap in journal.outages.kept]
    assert lengths == [2 + number for number in range(MAX_NAMES + 7 - MAX_GAPS, MAX_NAMES + 7)]
    assert journal.outages.count == MAX_NAMES + 7
    assert len(journal.seen_s) == MAX_NAMES
    assert (journal.total.answers.total, journal.total.answers.others) == (MAX_NAMES + 8, 7)

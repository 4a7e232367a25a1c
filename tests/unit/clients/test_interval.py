"""What is told of a stretch of time."""

from __future__ import annotations

from probes.core.outcome import Outcome
from probes.stats.summary import MAX_SHOWN_NAMES, Interval
from unit.clients.tries import ADDRESS, tried


def test_line_and_facts() -> None:
    """Last outcome, rate, percentiles of the OK tries, counts by word, and who answered."""
    stretch = Interval(None)
    for second in range(3):
        stretch.add(10 + second, tried(seconds=0.002, identity=f"web-{second % 2}"))
    stretch.add(13, tried(Outcome.RESET, seconds=9))
    stretch.add(14, tried(Outcome.TIMEOUT, seconds=9))
    assert stretch.line() == (
        "TIMEOUT 1.0/s p50 2.0 p99 2.0 ms; 3 of 5 ok (RESET 1, TIMEOUT 1); web-0 2, web-1 1"
    )
    assert stretch.facts() == {
        "last": "TIMEOUT",
        "sent": 5,
        "ok": 3,
        "failed": {"RESET": 1, "TIMEOUT": 1},
        "rate": 1.0,
        "elapsed_ms": {"min": 2.0, "p50": 2.0, "p95": 2.0, "p99": 2.0, "max": 2.0},
        "answers": {"web-0": 2, "web-1": 1},
        "other_answers": 0,
    }


def test_rate_of_a_later_stretch() -> None:
    """What follows another stretch begins where that ended, so a slow first try counts as slow."""
    stretch = Interval(10.0)
    for at_s in (14.0, 14.5, 15.0):
        stretch.add(at_s, tried())
    assert stretch.facts()["rate"] == 0.6


def test_one_failure() -> None:
    """What one failure cannot tell, a rate, latency or who answered, is left out."""
    stretch = Interval(None)
    stretch.add(0.5, tried(Outcome.REFUSED))
    assert stretch.line() == "REFUSED; 0 of 1 ok (REFUSED 1)"
    facts = stretch.facts()
    assert (facts["rate"], facts["elapsed_ms"], facts["answers"]) == (None, None, {})


def test_expectation() -> None:
    """What was expected is ok, whatever it is; what was not is told by what it came to."""
    stretch = Interval(None)
    stretch.add(0, tried(expected=(Outcome.REFUSED,)))
    stretch.add(1, tried(Outcome.REFUSED, expected=(Outcome.REFUSED,)))
    assert stretch.line() == f"REFUSED 1.0/s p50 1.0 p99 1.0 ms; 1 of 2 ok (OK 1); {ADDRESS} 1"


def test_many_names() -> None:
    """A line names the most frequent answerers only."""
    stretch = Interval(None)
    for number in range(MAX_SHOWN_NAMES + 3):
        stretch.add(number, tried(identity=f"web-{number}"))
    assert stretch.line().endswith(f"web-{MAX_SHOWN_NAMES - 1} 1 and 3 by others")

"""Percentiles, and the summary of several tries."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.address import Target
from probes.outcome import Outcome
from probes.result import Phase, Result, Transport
from probes.summary import MAX_IDENTITIES, Summary, percentile, spread

TARGET = Target("echo", 1201)


def result(outcome: Outcome, *seconds: float) -> Result:
    """A try that spent `seconds` in one phase after the other."""
    took = dict(zip(Phase, seconds, strict=False))
    return Result(TARGET, Transport.TCP, None, outcome, took, "", 0)


@pytest.mark.parametrize(
    ("values", "rank", "expected"),
    [
        ([7], 0, 7),
        ([7], 50, 7),
        ([7], 100, 7),
        ([1, 2], 50, 1),
        ([1, 2, 3], 50, 2),
        ([1, 2, 3, 4], 50, 2),
        (range(1, 101), 95, 95),
        (range(1, 21), 95, 19),
        (range(1, 20), 95, 19),
        (range(1, 101), 0, 1),
        (range(1, 101), 100, 100),
    ],
)
def test_percentile(values: list[float], rank: int, expected: float) -> None:
    """The nearest rank: the smallest value that so many per cent do not exceed."""
    assert percentile(values, rank) == expected


@given(st.lists(st.floats(0, 1e6), min_size=1))
def test_spread_is_ordered(values: list[float]) -> None:
    """min <= p50 <= p95 <= max, all of them values that were measured."""
    found = list(spread(values).values())
    assert found == sorted(found)
    assert (found[0], found[-1]) == (min(values), max(values))
    assert set(found) <= set(values)


def test_summary() -> None:
    """Tries are counted by word, and the first that was not OK decides."""
    summary = Summary(TARGET, Transport.TCP)
    summary.add(result(Outcome.OK, 0.001, 0.002, 0.003, 0.004))
    summary.add(result(Outcome.RESET, 0.001, 0.004, 9))
    summary.add(result(Outcome.RESET, 0.001, 0.006, 9, 9))
    summary.add(result(Outcome.TIMEOUT, 0.001, 9))
    summary.add(result(Outcome.DNS, 9))
    assert summary.outcome is Outcome.RESET
    assert summary.line() == (
        "SUMMARY echo:1201 5 sent, 1 ok, 4 failed (RESET 2, TIMEOUT 1, DNS 1)"
        "; lookup ms min 1.0 p50 1.0 p95 1.0 max 1.0"
        "; connect ms min 2.0 p50 4.0 p95 6.0 max 6.0"
        "; first byte ms min 3.0 p50 3.0 p95 3.0 max 3.0"
        "; answer ms min 4.0 p50 4.0 p95 4.0 max 4.0"
    )
    assert summary.facts() == {
        "target": "echo:1201",
        "transport": "tcp",
        "sent": 5,
        "ok": 1,
        "failed": {"RESET": 2, "TIMEOUT": 1, "DNS": 1},
        "lookup_ms": {"min": 1.0, "p50": 1.0, "p95": 1.0, "max": 1.0},
        "connect_ms": {"min": 2.0, "p50": 4.0, "p95": 6.0, "max": 6.0},
        "first_byte_ms": {"min": 3.0, "p50": 3.0, "p95": 3.0, "max": 3.0},
        "answer_ms": {"min": 4.0, "p50": 4.0, "p95": 4.0, "max": 4.0},
    }


def test_summary_over_udp() -> None:
    """The summary of tries over UDP says so, and has no times of what UDP has not."""
    summary = Summary(TARGET, Transport.UDP)
    over_udp = replace(
        result(Outcome.OK),
        transport=Transport.UDP,
        seconds={Phase.LOOKUP: 0.001, Phase.ANSWER: 0.003},
    )
    summary.add(over_udp)
    assert summary.line() == (
        "SUMMARY echo:1201 over UDP 1 sent, 1 ok, 0 failed"
        "; lookup ms min 1.0 p50 1.0 p95 1.0 max 1.0"
        "; answer ms min 3.0 p50 3.0 p95 3.0 max 3.0"
    )
    facts = summary.facts()
    assert (facts["transport"], facts["connect_ms"], facts["first_byte_ms"]) == ("udp", None, None)


def test_empty_summary() -> None:
    """Where nothing was measured, no times are made up."""
    summary = Summary(TARGET, Transport.TCP)
    assert summary.outcome is Outcome.OK
    assert summary.line() == "SUMMARY echo:1201 0 sent, 0 ok, 0 failed"
    assert summary.facts()["connect_ms"] is None
    assert summary.facts()["answer_ms"] is None


def named(identity: str | None) -> Result:
    """A try that was answered by a server of that name."""
    return replace(result(Outcome.OK, 1, 0.002, 0.003, 0.004), identity=identity)


def test_identities() -> None:
    """D5: answers are counted by identity, the most frequent first; some have none."""
    summary = Summary(TARGET, Transport.TCP)
    for identity in ["web-x", "web-7f9c", None, "web-7f9c", "web-x", "web-7f9c"]:
        summary.add(named(identity))
    summary.add(result(Outcome.TIMEOUT, 1, 9))
    assert summary.line().endswith("; by identity: web-7f9c 3, web-x 2")
    facts = summary.daytime_facts()
    assert facts == {"identities": {"web-7f9c": 3, "web-x": 2}, "other_identities": 0}


def test_no_identities() -> None:
    """D5: where no server names itself, text is silent and JSON has none."""
    summary = Summary(TARGET, Transport.TCP)
    summary.add(named(None))
    assert "identity" not in summary.line()
    assert summary.daytime_facts() == {"identities": {}, "other_identities": 0}


def test_many_identities() -> None:
    """D5: only so many names are kept; the answers by all others are counted together."""
    summary = Summary(TARGET, Transport.TCP)
    for number in range(MAX_IDENTITIES + 7):
        summary.add(named(f"web-{number}"))
    summary.add(named("web-0"))
    facts = summary.daytime_facts()
    assert isinstance(facts["identities"], dict)
    assert len(facts["identities"]) == MAX_IDENTITIES
    assert (facts["identities"]["web-0"], facts["other_identities"]) == (2, 7)
    assert summary.line().endswith(f"web-{MAX_IDENTITIES - 1} 1 and 7 by others")

"""The summary of several tries."""

from __future__ import annotations

from dataclasses import replace

import pytest

from probes.core.outcome import Outcome
from probes.core.result import Phase, Result, Transport
from probes.core.target import Target
from probes.stats.histogram import Histogram
from probes.stats.name_counter import MAX_NAMES
from probes.stats.summary import Summary, spread

TARGET = Target("echo", 1201)


def result(outcome: Outcome, *seconds: float) -> Result:
    """A try that spent `seconds` in one phase after the other."""
    took = dict(zip(Phase, seconds, strict=False))
    return Result(TARGET, Transport.TCP, None, outcome, took, "", 0)


def test_spread() -> None:
    """Minimum and maximum are exact, and percentiles within 1 %; of nothing there are none."""
    times = Histogram()
    assert spread(times) == {}
    for number in range(1, 1001):
        times.add(number / 1000)
    found = spread(times)
    assert (found.pop("min"), found.pop("max")) == (0.001, 1.0)
    assert found == pytest.approx({"p50": 0.5, "p95": 0.95, "p99": 0.99}, rel=0.01)


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
        "; whole ms min 10.0 p50 10.0 p95 10.0 p99 10.0 max 10.0"
        "; lookup ms min 1.0 p50 1.0 p95 1.0 p99 1.0 max 1.0"
        "; connect ms min 2.0 p50 4.0 p95 6.0 p99 6.0 max 6.0"
        "; first byte ms min 3.0 p50 3.0 p95 3.0 p99 3.0 max 3.0"
        "; answer ms min 4.0 p50 4.0 p95 4.0 p99 4.0 max 4.0"
    )
    assert summary.facts() == {
        "target": "echo:1201",
        "transport": "tcp",
        "sent": 5,
        "ok": 1,
        "failed": {"RESET": 2, "TIMEOUT": 1, "DNS": 1},
        "got": {"OK": 1, "RESET": 2, "TIMEOUT": 1, "DNS": 1},
        "elapsed_ms": {"min": 10.0, "p50": 10.0, "p95": 10.0, "p99": 10.0, "max": 10.0},
        "lookup_ms": {"min": 1.0, "p50": 1.0, "p95": 1.0, "p99": 1.0, "max": 1.0},
        "connect_ms": {
            "min": 2.0,
            "p50": pytest.approx(4.0, rel=0.01),
            "p95": 6.0,
            "p99": 6.0,
            "max": 6.0,
        },
        "first_byte_ms": {"min": 3.0, "p50": 3.0, "p95": 3.0, "p99": 3.0, "max": 3.0},
        "answer_ms": {"min": 4.0, "p50": 4.0, "p95": 4.0, "p99": 4.0, "max": 4.0},
    }


def test_expectation() -> None:
    """With --expect the words that tries came to are told beside what they are worth."""
    summary = Summary(TARGET, Transport.TCP)
    for got in (Outcome.REFUSED, Outcome.TIMEOUT, Outcome.TIMEOUT):
        summary.add(replace(result(got, 1), expected=(Outcome.REFUSED,)))
    assert summary.line() == (
        "SUMMARY echo:1201 3 sent, 1 ok, 2 failed (WRONG 2); got REFUSED 1, TIMEOUT 2"
    )
    facts = summary.facts()
    assert (facts["failed"], facts["got"]) == ({"WRONG": 2}, {"REFUSED": 1, "TIMEOUT": 2})


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
        "; whole ms min 4.0 p50 4.0 p95 4.0 p99 4.0 max 4.0"
        "; lookup ms min 1.0 p50 1.0 p95 1.0 p99 1.0 max 1.0"
        "; answer ms min 3.0 p50 3.0 p95 3.0 p99 3.0 max 3.0"
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
    assert summary.line().endswith("; by identity: web-7f9c 3, web-x 2 and 1 without")
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
    for number in range(MAX_NAMES + 7):
        summary.add(named(f"web-{number}"))
    summary.add(named("web-0"))
    facts = summary.daytime_facts()
    assert isinstance(facts["identities"], dict)
    assert len(facts["identities"]) == MAX_NAMES
    assert (facts["identities"]["web-0"], facts["other_identities"]) == (2, 7)
    assert summary.line().endswith(f"web-{MAX_NAMES - 1} 1 and 7 by others")

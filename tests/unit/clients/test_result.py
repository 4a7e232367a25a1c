"""Results, and the trace that times them, on a clock of the test's own."""

from __future__ import annotations

import pytest

from probes.core.outcome import Outcome
from probes.core.result import Phase, Result, Trace, Transport
from probes.core.target import Target
from probes.protocols.daytime import interpret

TARGET = Target("echo", 1201)
OVER_TCP = (Phase.CONNECT, Phase.FIRST_BYTE, Phase.ANSWER)
ENDED = 1283102725.5  # 17:25:25.5 in UTC, on the day of most examples


def traced(
    *phases: Phase, transport: Transport = Transport.TCP, expected: tuple[Outcome, ...] = ()
) -> Trace:
    """A trace whose phases take 1 s, 2 s, 4 s and 8 s."""
    times = iter([0.0, 1.0, 3.0, 7.0, 15.0])
    trace = Trace(transport, expected, clock=lambda: next(times), wall_clock=lambda: ENDED)
    for phase in phases:
        trace.enter(phase)
    trace.address = "10.0.0.1:1201"
    return trace


def test_ok() -> None:
    """A result names target, address, the time in all and by phase, and the answer."""
    result = traced(*OVER_TCP).result(TARGET, Outcome.OK, "fine")
    assert result.line() == (
        "OK echo:1201 at 10.0.0.1:1201 in 15000.0 ms"
        " (lookup 1000.0, connect 2000.0, first byte 4000.0, answer 8000.0): fine"
    )
    assert result.facts() == {
        "outcome": "OK",
        "exit": 0,
        "expected": None,
        "got": "OK",
        "target": "echo:1201",
        "transport": "tcp",
        "address": "10.0.0.1:1201",
        "phase": "answer",
        "elapsed_ms": 15000.0,
        "lookup_ms": 1000.0,
        "connect_ms": 2000.0,
        "first_byte_ms": 4000.0,
        "answer_ms": 8000.0,
        "detail": "fine",
    }


@pytest.mark.parametrize(
    ("expected", "got", "verdict", "words"),
    [
        ([Outcome.OK], Outcome.OK, Outcome.OK, "OK expected OK"),
        ([Outcome.REFUSED], Outcome.REFUSED, Outcome.OK, "OK expected REFUSED"),
        ([Outcome.REFUSED], Outcome.OK, Outcome.WRONG, "WRONG expected REFUSED got OK"),
        ([Outcome.OK], Outcome.REFUSED, Outcome.WRONG, "WRONG expected OK got REFUSED"),
        ([Outcome.WRONG], Outcome.WRONG, Outcome.OK, "OK expected WRONG"),
        (
            [Outcome.REFUSED, Outcome.TIMEOUT],
            Outcome.TIMEOUT,
            Outcome.OK,
            "OK expected REFUSED,TIMEOUT got TIMEOUT",
        ),
    ],
)
def test_expectation(expected: list[Outcome], got: Outcome, verdict: Outcome, words: str) -> None:
    """What was expected is OK and all else is WRONG; the rest is told as it would be without."""
    result = traced(*OVER_TCP, expected=tuple(expected)).result(TARGET, got, "told")
    plain = traced(*OVER_TCP).result(TARGET, got, "told")
    assert result.outcome is verdict
    assert result.line() == words + plain.line().removeprefix(got.name)
    assert result.facts() == plain.facts() | {
        "outcome": verdict.name,
        "exit": verdict.exit_code,
        "expected": [each.name for each in expected],
    }


def test_udp() -> None:
    """A result over UDP says so, and has neither connect nor a first byte before the others."""
    result = traced(Phase.ANSWER, transport=Transport.UDP).result(TARGET, Outcome.OK, "fine")
    assert result.line() == (
        "OK echo:1201 over UDP at 10.0.0.1:1201 in 3000.0 ms (lookup 1000.0, answer 2000.0): fine"
    )
    facts = result.facts()
    assert (facts["transport"], facts["answer_ms"]) == ("udp", 2000.0)
    assert (facts["connect_ms"], facts["first_byte_ms"]) == (None, None)


def test_failure() -> None:
    """A failure names the phase it happened in; a phase that was not reached is null."""
    result = traced(Phase.CONNECT).result(TARGET, Outcome.REFUSED, "no")
    assert result.line() == "REFUSED echo:1201 at 10.0.0.1:1201 in connect after 3000.0 ms: no"
    assert (result.phase, result.facts()["answer_ms"]) == (Phase.CONNECT, None)


def test_failure_before_the_first_byte() -> None:
    """A peer that accepts and says nothing failed before its first byte, not in its answer."""
    result = traced(Phase.CONNECT, Phase.FIRST_BYTE).result(TARGET, Outcome.TIMEOUT, "no")
    assert " at 10.0.0.1:1201 in first byte after 7000.0 ms: no" in result.line()
    assert result.facts()["phase"] == "first_byte"


def test_a_phase_begins_once() -> None:
    """Only the first of many pieces of an answer is its first byte."""
    trace = traced(*OVER_TCP)
    trace.enter(Phase.ANSWER)
    assert trace.result(TARGET, Outcome.OK, "fine").seconds[Phase.ANSWER] == 8


def test_failure_without_an_address() -> None:
    """Where no address was found, none is named."""
    result = Result(
        TARGET, Transport.TCP, None, Outcome.DNS, {Phase.LOOKUP: 0.5}, "no such name", 0
    )
    assert result.line() == "DNS echo:1201 in lookup after 500.0 ms: no such name"
    assert result.facts()["address"] is None


@pytest.mark.parametrize(
    ("line", "identity", "skew_s", "shown"),
    [
        # Asked 14 s before the end: at 11.5, so any second from 11 to 25 may be the answer's.
        ("Sun Aug 29 17:25:19 UTC 2010", None, 0, " (skew 0 s)"),
        ("Sun Aug 29 17:25:25 UTC 2010 web-1", "web-1", 0, " (skew 0 s)"),
        ("Sun Aug 29 17:25:10 UTC 2010", None, -1, " (skew -1 s)"),
        ("2010-08-29T18:25:26+00:00 web-1", "web-1", 3601, " (skew 3601 s)"),
        ("Sunday, August 29, 2010 17:25:19-EST web-1", "web-1", None, ""),
        ("a quarter past five", None, None, ""),
    ],
)
def test_what_daytime_tells(
    line: str, identity: str | None, skew_s: int | None, shown: str
) -> None:
    """D5, D6: identity and skew are told where the line tells them, and the outcome is the same."""
    result = interpret(traced(*OVER_TCP).result(TARGET, Outcome.OK, line))
    assert result.daytime_facts() == {"identity": identity, "skew_s": skew_s}
    assert (result.outcome, result.detail) == (Outcome.OK, line)
    assert result.line().endswith(f": {line}{shown}")


def test_time_of_asking() -> None:
    """D6: the look-up is over before the server is asked, over UDP too."""
    over_tcp = traced(*OVER_TCP).result(TARGET, Outcome.OK, "fine")
    over_udp = traced(Phase.ANSWER, transport=Transport.UDP).result(TARGET, Outcome.OK, "fine")
    assert (over_tcp.asked, over_tcp.ended) == (ENDED - 14, ENDED)
    assert over_udp.asked == ENDED - 2

"""Results, and the trace that times them, on a clock of the test's own."""

from __future__ import annotations

from probes.address import Target
from probes.outcome import Outcome
from probes.result import Phase, Result, Trace, Transport

TARGET = Target("echo", 1201)


def traced(*phases: Phase, transport: Transport = Transport.TCP) -> Trace:
    """A trace whose phases take 1 s, 2 s and 4 s."""
    times = iter([0.0, 1.0, 3.0, 7.0] if len(phases) == 2 else [0.0, 1.0, 3.0])
    trace = Trace(transport, clock=lambda: next(times))
    for phase in phases:
        trace.enter(phase)
    trace.address = "10.0.0.1:1201"
    return trace


def test_ok() -> None:
    """A result names target, address, the time in all and by phase, and the answer."""
    result = traced(Phase.CONNECT, Phase.ANSWER).result(TARGET, Outcome.OK, "fine")
    assert result.line() == (
        "OK echo:1201 at 10.0.0.1:1201 in 7000.0 ms"
        " (lookup 1000.0, connect 2000.0, answer 4000.0): fine"
    )
    assert result.facts() == {
        "outcome": "OK",
        "exit": 0,
        "target": "echo:1201",
        "transport": "tcp",
        "address": "10.0.0.1:1201",
        "phase": "answer",
        "elapsed_ms": 7000.0,
        "lookup_ms": 1000.0,
        "connect_ms": 2000.0,
        "answer_ms": 4000.0,
        "detail": "fine",
    }


def test_udp() -> None:
    """A result over UDP says so, and has no connect."""
    result = traced(Phase.ANSWER, transport=Transport.UDP).result(TARGET, Outcome.OK, "fine")
    assert result.line() == (
        "OK echo:1201 over UDP at 10.0.0.1:1201 in 3000.0 ms (lookup 1000.0, answer 2000.0): fine"
    )
    facts = result.facts()
    assert (facts["transport"], facts["connect_ms"], facts["answer_ms"]) == ("udp", None, 2000.0)


def test_failure() -> None:
    """A failure names the phase it happened in; a phase that was not reached is null."""
    result = traced(Phase.CONNECT).result(TARGET, Outcome.REFUSED, "no")
    assert result.line() == "REFUSED echo:1201 at 10.0.0.1:1201 in connect after 3000.0 ms: no"
    assert (result.phase, result.facts()["answer_ms"]) == (Phase.CONNECT, None)


def test_failure_without_an_address() -> None:
    """Where no address was found, none is named."""
    result = Result(TARGET, Transport.TCP, None, Outcome.DNS, {Phase.LOOKUP: 0.5}, "no such name")
    assert result.line() == "DNS echo:1201 in lookup after 500.0 ms: no such name"
    assert result.facts()["address"] is None

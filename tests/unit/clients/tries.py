"""Finished tries, made up."""

from __future__ import annotations

from probes.core.outcome import Outcome
from probes.core.result import Phase, Result, Transport
from probes.core.target import Target

TARGET = Target("web", 1200)
ADDRESS = "10.0.0.1:1200"
ENDED = 1283102725.5  # 17:25:25.5 in UTC, on the day of most examples


def tried(
    got: Outcome = Outcome.OK,
    seconds: float = 0.001,
    *,
    identity: str | None = None,
    expected: tuple[Outcome, ...] = (),
    detail: str = "why",
) -> Result:
    """A try over TCP that took so long, and came to that."""
    took = {Phase.LOOKUP: seconds}
    return Result(
        TARGET, Transport.TCP, ADDRESS, got, took, detail, ENDED, expected, identity=identity
    )

"""What one try came to, and how long each of its phases took."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from itertools import pairwise

from probes.core.outcome import Outcome
from probes.core.target import Target


class Protocol(StrEnum):
    """What the probes speak."""

    DAYTIME = "daytime"
    ECHO = "echo"


class Transport(StrEnum):
    """What carries the bytes."""

    TCP = "tcp"
    UDP = "udp"

    def to(self, target: Target) -> str:
        """The target as a line names it; TCP goes without saying."""
        return str(target) if self is Transport.TCP else f"{target} over {self.name}"


class Phase(StrEnum):
    """The steps of a try, in order; a failure belongs to the one it happened in.

    FIRST_BYTE ends with the first byte of the answer, ANSWER with the last. UDP has neither CONNECT
    nor FIRST_BYTE: nothing crosses the network before the datagram that asks, and the one that
    answers comes whole.
    """

    LOOKUP = "lookup"
    CONNECT = "connect"
    FIRST_BYTE = "first_byte"
    ANSWER = "answer"

    @property
    def words(self) -> str:
        """What text calls it."""
        return self.value.replace("_", " ")


@dataclass(frozen=True)
class Result:
    """One finished try. `seconds` has an entry for every phase that was entered, the last included.

    `got` is what it came to, and `outcome` what that is worth: the same, unless outcomes were
    `expected`. `detail` is the answer after OK and the reason after anything else. It may hold what
    a peer sent, so it must be escaped wherever it is shown. `ended` is Unix time. What else an
    answer of daytime tells is in `identity` and `skew_s`.
    """

    target: Target
    transport: Transport
    address: str | None
    got: Outcome
    seconds: Mapping[Phase, float]
    detail: str
    ended: float
    expected: tuple[Outcome, ...] = ()
    identity: str | None = None
    skew_s: int | None = None

    @property
    def outcome(self) -> Outcome:
        """OK when it is what was expected and WRONG when not; without expectation, what it is."""
        if not self.expected:
            return self.got
        return Outcome.OK if self.got in self.expected else Outcome.WRONG

    @property
    def is_ok(self) -> bool:
        """Whether the outcome is as expected."""
        return self.outcome is Outcome.OK

    @property
    def phase(self) -> Phase:
        """Where the try ended."""
        return list(self.seconds)[-1]

    @property
    def elapsed(self) -> float:
        """Seconds from the start of the look-up to the end."""
        return sum(self.seconds.values())

    @property
    def asked(self) -> float:
        """Unix time at the end of the look-up: no answer can be older."""
        return self.ended - self.elapsed + self.seconds[Phase.LOOKUP]

    def line(self) -> str:
        """The result as one line of text; the first word is the outcome."""
        used = f" at {self.address}" if self.address else ""
        place = f"{self.transport.to(self.target)}{used}"
        skew = "" if self.skew_s is None else f" (skew {self.skew_s} s)"
        verdict = f"{self.outcome.name}{self._expectation()}"
        return f"{verdict} {place} {self._timing()}: {self.detail}{skew}"

    def _expectation(self) -> str:
        if not self.expected:
            return ""
        got = "" if self.expected == (self.got,) else f" got {self.got.name}"
        return f" expected {','.join(each.name for each in self.expected)}{got}"

    def _timing(self) -> str:
        if self.got is not Outcome.OK:
            return f"in {self.phase.words} after {format_ms(self.elapsed)} ms"
        phases = ", ".join(f"{p.words} {format_ms(took)}" for p, took in self.seconds.items())
        return f"in {format_ms(self.elapsed)} ms ({phases})"

    def facts(self) -> dict[str, object]:
        """The same facts under names, for JSON; a phase that was not reached is null."""
        return {
            "outcome": self.outcome.name,
            "exit": self.outcome.exit_code,
            "expected": [each.name for each in self.expected] or None,
            "got": self.got.name,
            "target": str(self.target),
            "transport": self.transport.value,
            "address": self.address,
            "phase": self.phase.value,
            "elapsed_ms": to_ms(self.elapsed),
            **{f"{phase}_ms": to_ms(self.seconds.get(phase)) for phase in Phase},
            "detail": self.detail,
        }

    def daytime_facts(self) -> dict[str, object]:
        """What JSON says of daytime beyond that; null where the line does not tell."""
        return {"identity": self.identity, "skew_s": self.skew_s}


class Trace:
    """Notes taken while a try is under way: the address in use and when each phase began."""

    def __init__(
        self,
        transport: Transport = Transport.TCP,
        expected: tuple[Outcome, ...] = (),
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._transport = transport
        self._expected = expected
        self._clock = clock
        self._wall_clock = wall_clock
        self._began = {Phase.LOOKUP: clock()}
        self.address: str | None = None

    def enter(self, phase: Phase) -> None:
        """End the current phase and begin the next one, unless it has begun already."""
        if phase not in self._began:
            self._began[phase] = self._clock()

    def result(self, target: Target, got: Outcome, detail: str) -> Result:
        """End the try here."""
        times = [*self._began.values(), self._clock()]
        took = [end - start for start, end in pairwise(times)]
        seconds = dict(zip(self._began, took, strict=True))
        return Result(
            target,
            self._transport,
            self.address,
            got,
            seconds,
            detail,
            self._wall_clock(),
            self._expected,
        )


def timestamp(moment: float) -> str:
    """Unix time as RFC 3339 has it, in UTC and to the millisecond."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def clock_time(moment: float) -> str:
    """Unix time as a clock on the wall shows it, in the zone of who looks."""
    return f"{datetime.fromtimestamp(moment):%H:%M:%S}"


def to_ms(seconds: float | None) -> float | None:
    """Seconds as milliseconds to the microsecond; None stays None."""
    return None if seconds is None else round(seconds * 1000, 3)


def format_ms(seconds: float) -> str:
    """Seconds as milliseconds for a human."""
    return f"{seconds * 1000:.1f}"

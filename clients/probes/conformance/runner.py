"""The checks of each protocol, and how they are made one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from probes.conformance import daytime, echo
from probes.conformance.check import Check, Finding, Verdict
from probes.core.result import Protocol, Trace, Transport
from probes.core.target import Family, Target
from probes.net.deadline import Deadline
from probes.net.sockets import Context

CHECKS: dict[str, tuple[Check[Any], ...]] = {
    Protocol.ECHO: echo.CHECKS,
    Protocol.DAYTIME: daytime.CHECKS,
}


@dataclass(frozen=True)
class CheckOptions:
    """What all checks of a run have in common."""

    protocol: Protocol
    target: Target
    family: Family
    timeout_s: float


def run_checks(options: CheckOptions, checks: Sequence[Check[Any]]) -> Iterator[Finding]:
    """Make the checks one by one; after one that reached no service skip the others like it."""
    missed: dict[Transport, Finding] = {}
    for check in checks:
        if check.transport in missed:
            reason = f"nobody is there: {missed[check.transport].reason}"
            yield Finding(check, Verdict.SKIP, reason)
            continue
        deadline, trace = Deadline(options.timeout_s), Trace(check.transport)
        finding = check.judge(Context(options.target, options.family, deadline, trace))
        if finding.is_unreached:
            missed[check.transport] = finding
        yield finding

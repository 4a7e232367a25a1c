"""The checks of each protocol, and how they are made one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from probes.conformance import daytime, echo
from probes.conformance.check import Check, Finding, Verdict
from probes.core.result import Transport
from probes.core.target import ProbeOptions
from probes.net.sockets import Context

CHECKS: dict[str, tuple[Check[Any], ...]] = {"echo": echo.CHECKS, "daytime": daytime.CHECKS}


def run_checks(options: ProbeOptions, checks: Sequence[Check[Any]]) -> Iterator[Finding]:
    """Make the checks in turn. After one that reached no service, skip those of its transport."""
    missed: dict[Transport, Finding] = {}
    for check in checks:
        if check.transport in missed:
            reason = f"no service answers: {missed[check.transport].reason}"
            yield Finding(check, Verdict.SKIP, reason)
            continue
        finding = check.judge(Context.begin(options, check.transport))
        if finding.is_unreached:
            missed[check.transport] = finding
        yield finding

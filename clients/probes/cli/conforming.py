"""One run of probe conform, from the first check to the report."""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from probes.conformance import daytime as daytime_checks
from probes.conformance import echo as echo_checks
from probes.conformance.check import Check, Finding, Verdict
from probes.conformance.junit import junit_report
from probes.console.interrupts import finish, held_back
from probes.console.report_file import reported
from probes.console.terminal import show, show_json
from probes.core.outcome import EXIT_INTERRUPTED, Outcome
from probes.core.result import Trace, Transport
from probes.net.deadline import Deadline
from probes.net.sockets import Context

CHECKS = {"echo": echo_checks.CHECKS, "daytime": daytime_checks.CHECKS}

WORDS = {Verdict.PASS: "passed", Verdict.FAIL: "failed", Verdict.SKIP: "skipped"}

COLOURS = {Verdict.PASS: Outcome.OK, Verdict.FAIL: Outcome.WRONG}


def conform(options: argparse.Namespace) -> int:
    """Make all checks, write the report and show the summary; returns the exit code."""
    checks = [each for each in CHECKS[options.protocol] if each.transport in options.transports]
    made: list[Finding] = []

    def report() -> str:
        return junit_report(options.protocol, str(options.target), made, checks[len(made) :])

    return reported(
        options.junit,
        partial(make_checks, options, checks, made),
        report,
        partial(show_summary, options, made),
    )


def make_checks(
    options: argparse.Namespace, checks: Sequence[Check[Any]], made: list[Finding]
) -> int:
    """Add each finding to those that are `made` and show it; returns the exit code."""
    try:
        for finding in findings(options, checks):
            with held_back():
                made.append(finding)
                show_finding(options, finding)
        finish()
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    has_failed = any(finding.verdict is Verdict.FAIL for finding in made)
    return (Outcome.WRONG if has_failed else Outcome.OK).exit_code


def findings(options: argparse.Namespace, checks: Sequence[Check[Any]]) -> Iterator[Finding]:
    """Make the checks one by one; after one that reached nobody skip the others like it."""
    missed: dict[Transport, Finding] = {}
    for check in checks:
        if check.transport in missed:
            reason = f"nobody is there: {missed[check.transport].reason}"
            yield Finding(check, Verdict.SKIP, reason)
            continue
        deadline, trace = Deadline(options.timeout), Trace(check.transport)
        finding = check.judge(Context(options.target, options.family, deadline, trace))
        if finding.is_unreached:
            missed[check.transport] = finding
        yield finding


def show_finding(options: argparse.Namespace, finding: Finding) -> None:
    """Show one finding as text or JSON."""
    if options.json:
        about = {"protocol": options.protocol, "target": str(options.target)}
        show_json("check", time.time(), {**about, **finding.facts()})
    else:
        show(finding.line(), COLOURS.get(finding.verdict))


def show_summary(options: argparse.Namespace, made: Sequence[Finding], exit_code: int) -> None:
    """Show how many checks passed, failed and were skipped, as text or JSON."""
    tally = Counter(finding.verdict for finding in made)
    if options.json:
        about = {"protocol": options.protocol, "target": str(options.target)}
        numbers = {word: tally[verdict] for verdict, word in WORDS.items()}
        show_json("checked", time.time(), {**about, **numbers, "exit": exit_code})
    else:
        counts = ", ".join(f"{tally[verdict]} {word}" for verdict, word in WORDS.items())
        interrupted = "; interrupted" if exit_code == EXIT_INTERRUPTED else ""
        show(f"SUMMARY {options.protocol} {options.target} {counts}{interrupted}")

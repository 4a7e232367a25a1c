"""What the servers did, as tables in Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from probes.conformance.check import Check
from probes.conformance.runner import CHECKS

Finding = dict[str, Any]  # as `probe conform --json` has it


class Column(NamedTuple):
    """A server, and its findings by duty and check, one from each round; None if it was not run."""

    name: str
    findings: dict[tuple[str, str], list[Finding]] | None


class Reasons:
    """Reasons by number, each told once."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def number(self, reason: str) -> int:
        """The number of a reason, a new one for a new reason."""
        what, _, _ = reason.partition(": '")  # what a peer sent has the time of day in it
        return self._numbers.setdefault(what, len(self._numbers) + 1)

    def lines(self) -> list[str]:
        """A numbered list."""
        return [f"{number}. {reason}" for reason, number in self._numbers.items()]


def table(protocol: str, columns: Sequence[Column], reasons: Reasons | None = None) -> list[str]:
    """A row for each check that was made of any server, a column for each server."""
    head = ["duty", "over", "what is to hold", *(column.name for column in columns)]
    made = [column.findings for column in columns if column.findings]
    checks = [each for each in CHECKS[protocol] if any(key(each) in one for one in made)]
    rows = [row(check, columns, reasons) for check in checks]
    return [line(head), line(["---"] * len(head)), *map(line, rows)]


def row(check: Check[Any], columns: Sequence[Column], reasons: Reasons | None) -> list[str]:
    """The cells of a row."""
    about = [check.duty, check.transport.name, check.title]
    return about + [cell(check, column, reasons) for column in columns]


def cell(check: Check[Any], column: Column, reasons: Reasons | None) -> str:
    """The verdict, the number of its reason, and in how many rounds it was so, if not in all.

    One FAIL makes a FAIL, and one SKIP a SKIP where there is none.
    """
    if column.findings is None:
        return "not run"
    findings = column.findings[key(check)]
    by_verdict = {each["verdict"]: each for each in findings}
    verdict = next(each for each in ("FAIL", "SKIP", "PASS") if each in by_verdict)
    count = sum(each["verdict"] == verdict for each in findings)
    often = "" if count == len(findings) else f", {count} of {len(findings)}"
    if reasons is None or verdict == "PASS":
        return f"{verdict}{often}"
    return f"{verdict} ({reasons.number(by_verdict[verdict]['reason'])}){often}"


def key(check: Check[Any]) -> tuple[str, str]:
    """What tells the check from the others of its protocol."""
    return check.duty, check.name


def line(cells: Sequence[str]) -> str:
    """A row of a table."""
    return f"| {' | '.join(cells)} |"

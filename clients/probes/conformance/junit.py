"""Findings as a JUnit report, in the form that CI systems read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree

from probes.conformance.check import Check, Finding, Verdict
from probes.core.text import escape

ELEMENTS = {Verdict.FAIL: "failure", Verdict.SKIP: "skipped"}


def junit_report(
    protocol: str, target: str, findings: Sequence[Finding], unmade: Sequence[Check[Any]]
) -> str:
    """The XML document. The checks that were left `unmade`, as after Ctrl-C, are errors in it, so
    that what was cut short does not look as if it had passed.

    Reasons are escaped to printable ASCII, since XML 1.0 has no way to write a control character.
    """
    verdicts = [finding.verdict for finding in findings]
    counts = {
        "name": f"{protocol} {target}",
        "tests": str(len(findings) + len(unmade)),
        "failures": str(verdicts.count(Verdict.FAIL)),
        "errors": str(len(unmade)),
        "skipped": str(verdicts.count(Verdict.SKIP)),
    }
    root = ElementTree.Element("testsuites")
    suite = ElementTree.SubElement(root, "testsuite", counts)
    suite.extend([_made(protocol, finding) for finding in findings])
    suite.extend([_unmade(protocol, check) for check in unmade])
    ElementTree.indent(root)
    document: str = ElementTree.tostring(root, encoding="unicode", xml_declaration=True)
    return f"{document}\n"


def _made(protocol: str, finding: Finding) -> ElementTree.Element:
    case = _case(protocol, finding.check)
    if finding.result:
        case.set("time", f"{finding.result.elapsed:.3f}")  # seconds
    if finding.verdict in ELEMENTS:
        element = ELEMENTS[finding.verdict]
        ElementTree.SubElement(case, element, message=escape(finding.reason))
    elif finding.reason:
        ElementTree.SubElement(case, "system-out").text = escape(finding.reason)
    return case


def _unmade(protocol: str, check: Check[Any]) -> ElementTree.Element:
    case = _case(protocol, check)
    ElementTree.SubElement(case, "error", message="the run ended before this check did")
    return case


def _case(protocol: str, check: Check[Any]) -> ElementTree.Element:
    # A name that stays, whatever the target is, is what makes a history of a check.
    group = f"{protocol}.{check.transport.value}"
    return ElementTree.Element("testcase", classname=group, name=str(check))

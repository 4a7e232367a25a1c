"""Findings as a JUnit report, in the form that CI systems read."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree

from probes.check import Finding, Verdict
from probes.terminal import escape

ELEMENTS = {Verdict.FAIL: "failure", Verdict.SKIP: "skipped"}


def junit_report(suite: str, findings: Sequence[Finding]) -> str:
    """The XML document; `suite` says what was tested. Reasons are escaped to printable ASCII,
    since XML 1.0 has no way to write a control character.
    """
    verdicts = [finding.verdict for finding in findings]
    counts = {
        "name": suite,
        "tests": str(len(findings)),
        "failures": str(verdicts.count(Verdict.FAIL)),
        "errors": "0",
        "skipped": str(verdicts.count(Verdict.SKIP)),
    }
    root = ElementTree.Element("testsuites")
    group = ElementTree.SubElement(root, "testsuite", counts)
    group.extend(test_case(suite, finding) for finding in findings)
    ElementTree.indent(root)
    document: str = ElementTree.tostring(root, encoding="unicode", xml_declaration=True)
    return f"{document}\n"


def test_case(suite: str, finding: Finding) -> ElementTree.Element:
    """One finding as an element of the report; times are seconds."""
    case = ElementTree.Element("testcase", classname=suite, name=str(finding.check))
    if finding.result:
        case.set("time", f"{finding.result.elapsed:.3f}")
    if finding.verdict in ELEMENTS:
        element = ELEMENTS[finding.verdict]
        ElementTree.SubElement(case, element, message=escape(finding.reason))
    elif finding.reason:
        ElementTree.SubElement(case, "system-out").text = escape(finding.reason)
    return case

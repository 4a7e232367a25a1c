"""The fixed words and their exit codes."""

from __future__ import annotations

from probes.core.outcome import Failure, Outcome, outcome_table


def test_codes() -> None:
    """Scripts rely on these words and codes: they are not to change."""
    assert {outcome.name: outcome.exit_code for outcome in Outcome} == {
        "OK": 0,
        "WRONG": 1,
        "USAGE": 2,
        "DNS": 6,
        "REFUSED": 7,
        "TIMEOUT": 28,
        "CLOSED": 52,
        "RESET": 56,
        "UNREACHABLE": 71,
        "HTTP09": 72,
    }


def test_table_names_every_outcome() -> None:
    """The help's table has a line for every outcome it is given."""
    lines = outcome_table(Outcome).splitlines()
    assert [line.split()[:2] for line in lines] == [[o.name, str(o.exit_code)] for o in Outcome]


def test_failure_keeps_its_outcome() -> None:
    """Adding how far it came changes nothing but the words."""
    failure = Failure(Outcome.RESET, "gone").after("3 of 4 bytes")
    assert (failure.outcome, failure.reason) == (Outcome.RESET, "gone (3 of 4 bytes)")

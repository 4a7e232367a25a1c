"""Each row of docs/reliability.md has a test."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


def rows() -> list[str]:
    """Return the first cell of each row that a test has to prove, from all tables of faults."""
    text = (ROOT / "docs/reliability.md").read_text()
    tables = re.findall(r"^\| (?:fault|question) \|.*\n\|[- |]+\n((?:\|.*\n)+)", text, re.MULTILINE)
    return [row.split("|")[1].strip() for table in tables for row in table.splitlines()]


def marks(file: Path) -> Iterator[str]:
    """Yield the row that each `fault` marker of the tests in a file names."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            for call in node.decorator_list:
                if isinstance(call, ast.Call) and ast.unparse(call.func) == "pytest.mark.fault":
                    yield ast.literal_eval(call.args[0])


ROWS = rows()
MARKS = {row: file for file in (ROOT / "tests").rglob("test_*.py") for row in marks(file)}


def test_no_two_rows_are_alike() -> None:
    """Each row is the only one of its fault, so a marker names one row."""
    assert sorted(ROWS) == sorted(set(ROWS))


@pytest.mark.parametrize("row", ROWS)
def test_every_row_is_proved(row: str) -> None:
    """At least one test is marked with the row."""
    assert row in MARKS


@pytest.mark.parametrize("row", MARKS)
def test_every_mark_names_a_row(row: str) -> None:
    """A marked test proves a row that the document has."""
    assert row in ROWS, MARKS[row]

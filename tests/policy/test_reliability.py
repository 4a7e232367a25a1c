"""Each fault that docs/reliability.md tells of has a test, and each test a mutant that it sees."""

import ast
import re
from pathlib import Path

import pytest

from mutants import MUTANTS, Mutant, mutants

ROOT = Path(__file__).parent.parent.parent
TEXT = (ROOT / "docs/reliability.md").read_text()
NAMED = re.findall(r"`(test_\w+)`", TEXT)


def test_every_named_test_has_a_mutant() -> None:
    """The names in the document are those in the table of mutants, each of them once."""
    assert sorted(NAMED) == sorted(test for tests in MUTANTS.values() for test in tests)


def test_the_document_counts_the_mutants() -> None:
    """What the document quotes is what a run says in which no mutant survives."""
    count = len(mutants())
    assert f"`{len(NAMED)} tests, {count} mutants, {count} red`" in TEXT


@pytest.mark.parametrize("file", MUTANTS)
def test_every_named_test_exists(file: str) -> None:
    """A file has all the tests that the table has of it."""
    body = ast.parse((ROOT / file).read_text()).body
    assert {each.name for each in body if isinstance(each, ast.FunctionDef)} >= MUTANTS[file].keys()


@pytest.mark.parametrize("mutant", mutants(), ids=lambda mutant: mutant.test)
def test_every_mutant_is_a_program(mutant: Mutant) -> None:
    """What it changes is there, and the result still parses: no test is red for want of that."""
    for change in mutant.changes:
        changed = change.text()
        if change.file.endswith(".py"):
            ast.parse(changed)

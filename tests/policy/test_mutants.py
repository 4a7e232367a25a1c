"""Each mutant of tests/mutants.py can be made, and has a test."""

import ast

import pytest

from mutants import Mutant, mutants, product

each_mutant = pytest.mark.parametrize("mutant", mutants(), ids=lambda mutant: mutant.test)


@each_mutant
def test_a_mutant_changes_one_place(mutant: Mutant) -> None:
    """The text around a change occurs exactly once in the product, and the change is one."""
    places = mutant.places()
    assert len(places) == 1, f"{mutant}: {len(places)} places: {[file for file, _ in places]}"
    ((file, text),) = places
    assert text != product()[file]


@each_mutant
def test_a_mutant_is_a_program(mutant: Mutant) -> None:
    """Changed Python source still parses."""
    for file, text in mutant.places():
        if file.endswith(".py"):
            ast.parse(text, file)


@each_mutant
def test_a_mutant_has_a_test(mutant: Mutant) -> None:
    """The test that must fail exists."""
    assert mutant.tests(), f"no test has the name {mutant.test}"

"""The documents quote the last result in bench/results, and what they name is there."""

import re
from pathlib import Path

import pytest

from bench.documents import DOCUMENTS, filled, quoted
from bench.result import Result

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents_agree_with_the_last_result(name: str) -> None:
    """Writing README and docs/benchmarks.md anew from the last result changes nothing."""
    text = (ROOT / name).read_text()
    assert filled(text, quoted(Result.newest())) == text


def test_everything_quoted_has_its_place() -> None:
    """Each part of a report is in one of the documents, once."""
    texts = "".join((ROOT / name).read_text() for name in DOCUMENTS)
    places = re.findall(r"<!-- bench (\w+) -->", texts)
    assert sorted(places) == sorted(quoted(Result.newest()))


def test_the_charts_are_there() -> None:
    """The pictures that docs/benchmarks.md shows lie beside it, and have no date that differs."""
    names = re.findall(r"!\[.*?\]\((.*?)\)", (ROOT / "docs/benchmarks.md").read_text())
    assert len(names) == 2
    for name in names:
        text = (ROOT / "docs" / name).read_text()
        assert "<svg" in text
        assert "<dc:date>" not in text

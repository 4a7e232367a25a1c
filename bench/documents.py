"""What the documents quote of a result, between two markers: `<!-- bench NAME -->` and the end."""

import re
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.report import (
    circumstances,
    ladder_table,
    profile_table,
    sentence,
    target_table,
    work_table,
)
from bench.result import Result
from bench.works import LADDER

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = ("README.md", "docs/benchmarks.md")
WIDTH = 100

Draw = Callable[[Result, Path], None]


class NoMarkers(Exception):
    """A document has no place for what is to be written there: one line."""


def write(result: Result, draw: Draw) -> None:
    """Write the documents anew and draw the charts. Raises NoMarkers."""
    parts = quoted(result)
    for name in DOCUMENTS:
        path = ROOT / name
        path.write_text(filled(path.read_text(), parts))
    draw(result, ROOT / "docs")


def quoted(result: Result) -> dict[str, str]:
    """What is quoted, by the name of its markers."""
    return {
        "sentence": _wrapped(sentence(result)),
        "circumstances": "\n\n".join(map(_wrapped, circumstances(result))),
        "targets": target_table(result),
        "works": "\n\n".join(_works(result)),
        "connections": ladder_table(result),
        "profile": profile_table(result),
    }


def filled(text: str, parts: dict[str, str]) -> str:
    """A document with what belongs between its markers. Raises NoMarkers."""
    pattern = re.compile(r"(<!-- bench (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
    found = pattern.findall(text)
    if not found:
        raise NoMarkers("a document has no place for results")
    return pattern.sub(lambda match: f"{match[1]}{parts[match[2]]}\n{match[3]}", text)


def _works(result: Result) -> Iterator[str]:
    for work in result.works():
        if work not in LADDER:
            yield f"**{work.title[0].upper()}{work.title[1:]}**\n\n{work_table(result, work)}"


def _wrapped(text: str) -> str:
    return textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)

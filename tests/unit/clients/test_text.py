"""What may reach a terminal, and how a tool ends."""

from __future__ import annotations

import codecs
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.console.terminal import show_json
from probes.core.text import escape, escape_lines, quote


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ~ text", "plain ~ text"),
        ("tab\tstays", "tab\tstays"),
        ("\x00\x07\x08\x1b[2J\x7f", r"\x00\x07\x08\x1b[2J\x7f"),
        ("\r\n\v\f", r"\r\n\x0b\x0c"),
        ("\x85\x9b", r"\x85\x9b"),
        ("\u202e\u2066\u200f\u061c", r"\u202e\u2066\u200f\u061c"),
        ("caf\u00e9 \U0001f600", r"caf\xe9 \U0001f600"),
        ("\udcff", r"\udcff"),
        (r"a\x1b", r"a\\x1b"),
        ("[bold]", "[bold]"),
    ],
)
def test_escape(text: str, shown: str) -> None:
    """H10: C0 but tab, DEL, C1, bidi controls and all else beyond ASCII are escaped."""
    assert escape(text) == shown


@given(st.text())
def test_escape_is_printable_and_reversible(text: str) -> None:
    """H10: of any text only printable ASCII and tabs are left, and the text can be had back."""
    shown = escape(text)
    assert re.fullmatch(r"[\t -~]*", shown)
    assert codecs.decode(shown, "unicode_escape") == text


@given(st.binary())
def test_escape_lines_is_printable(data: bytes) -> None:
    """H10: of any bytes only printable ASCII, tabs and line ends are left."""
    assert re.fullmatch(r"[\t\n -~]*", escape_lines(data))


def test_escape_lines() -> None:
    """LF and CR LF are line ends, a CR elsewhere is escaped, empty lines at the end go."""
    assert escape_lines(b"a\r\nb\nc\rd\r\r\n\r\n\r\n") == "a\nb\nc\\rd\\r"


def test_quote_is_short() -> None:
    """What a message quotes is cut."""
    assert quote("x" * 60) == f"'{'x' * 60}'"
    assert quote("x" * 61) == f"'{'x' * 60}...'"


def test_json_is_safe(capsys: pytest.CaptureFixture[str]) -> None:
    """JSON is one line of printable ASCII: schema, type and time, in UTC, before all else."""
    show_json("try", 1283102725.5, {"detail": "\x7f\x9b\u202e\n\x1b"})
    out = capsys.readouterr().out
    assert re.fullmatch(r"[ -~]+\n", out)
    assert [*json.loads(out).items()] == [
        ("schema", 1),
        ("type", "try"),
        ("time", "2010-08-29T17:25:25.500Z"),
        ("detail", "\x7f\x9b\u202e\n\x1b"),
    ]

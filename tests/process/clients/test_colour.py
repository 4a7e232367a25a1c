"""Colour: the word of an outcome, on a terminal, and nowhere else."""

from __future__ import annotations

import re

import pytest

from peer import Peer, refusing, send
from process.clients.tool import Tool, show

LINE = b"Sun Aug 29 17:25:19 EST 2010\r\n"

GREEN, RED, PLAIN = rb"\x1b\[1;32m", rb"\x1b\[1;31m", rb"\x1b\[0m"


def test_good() -> None:
    """OK is bold green, and nothing else of the line has a colour."""
    with Peer(send(LINE)) as peer:
        shown = show(("probe", "daytime"), peer.address)
    assert re.fullmatch(GREEN + b"OK" + PLAIN + rb" [ -~]+\r\n", shown)


@pytest.mark.parametrize("tool", [("probe", "echo"), ("headinfo",)], ids=" ".join)
def test_bad(tool: Tool) -> None:
    """Any other word is bold red, on stdout and on stderr."""
    with refusing() as address:
        shown = show(tool, address)
    assert re.fullmatch(RED + b"REFUSED" + PLAIN + rb" [ -~]+\r\n", shown)


def test_expected() -> None:
    """What was expected is good, whatever it is."""
    with refusing() as address:
        shown = show(("headinfo",), address, "--expect", "REFUSED")
    assert re.fullmatch(GREEN + b"OK" + PLAIN + rb" expected REFUSED [ -~]+\r\n", shown)


def test_usage() -> None:
    """A usage error is red like other failures."""
    shown = show(("probe", "echo"), "")
    assert re.fullmatch(RED + b"USAGE" + PLAIN + rb" [ -~]+\r\n", shown)


@pytest.mark.parametrize(
    "environment", [{"NO_COLOR": "1"}, {"NO_COLOR": "0"}, {"TERM": "dumb"}], ids=str
)
def test_no_colour(environment: dict[str, str]) -> None:
    """Who wants no colour, or has a terminal that knows none, gets none."""
    with refusing() as address:
        shown = show(("probe", "echo"), address, **environment)
    assert shown.startswith(b"REFUSED ")


def test_empty_no_color() -> None:
    """A NO_COLOR that is there but empty says nothing, as no-color.org has it."""
    with refusing() as address:
        shown = show(("probe", "echo"), address, NO_COLOR="")
    assert shown.startswith(b"\x1b[1;31m")


def test_json_has_no_colour() -> None:
    """JSON is for programs, on a terminal too."""
    with refusing() as address:
        shown = show(("probe", "echo"), address, "--json")
    assert shown.startswith(b'{"schema": 1, ')

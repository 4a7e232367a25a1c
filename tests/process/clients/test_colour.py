"""Colour: the word of an outcome, on a terminal, and nowhere else."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Sequence

import pytest

from peer import Peer, refusing, send
from process.clients.tool import ENVIRONMENT, LAUNCHER, PYTHON, Tool

LINE = b"Sun Aug 29 17:25:19 EST 2010\r\n"

GREEN, RED, PLAIN = rb"\x1b\[1;32m", rb"\x1b\[1;31m", rb"\x1b\[0m"


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """Both ends of a terminal: the one to read from, and the one for a tool."""
    ours, its = os.openpty()
    yield ours, its
    os.close(ours)


def show(
    terminal: tuple[int, int], tool: Tool, arguments: Sequence[str], **environment: str
) -> bytes:
    """What a tool shows on a terminal."""
    ours, its = terminal
    base = {name: value for name, value in ENVIRONMENT.items() if name != "NO_COLOR"}
    command = [*PYTHON, "-c", LAUNCHER.format(tool=tool[0]), *tool[1:], *arguments]
    subprocess.run(
        command, env=base | {"TERM": "xterm"} | environment, stdout=its, stderr=its, check=False
    )
    os.close(its)
    shown = b""
    while data := _read(ours):
        shown += data
    return shown


def _read(ours: int) -> bytes:
    try:
        return os.read(ours, 65536)
    except OSError:  # Linux's word for the end of a terminal that nobody else has open
        return b""


def test_good(terminal: tuple[int, int]) -> None:
    """OK is bold green, and nothing else of the line has a colour."""
    with Peer(send(LINE)) as peer:
        shown = show(terminal, ("probe", "daytime"), [peer.address])
    assert re.fullmatch(GREEN + b"OK" + PLAIN + rb" [ -~]+\r\n", shown)


@pytest.mark.parametrize("tool", [("probe", "echo"), ("headinfo",)], ids=" ".join)
def test_bad(terminal: tuple[int, int], tool: Tool) -> None:
    """Any other word is bold red, on stdout and on stderr."""
    with refusing() as address:
        shown = show(terminal, tool, [address])
    assert re.fullmatch(RED + b"REFUSED" + PLAIN + rb" [ -~]+\r\n", shown)


def test_expected(terminal: tuple[int, int]) -> None:
    """What was expected is good, whatever it is."""
    with refusing() as address:
        shown = show(terminal, ("headinfo",), [address, "--expect", "REFUSED"])
    assert re.fullmatch(GREEN + b"OK" + PLAIN + rb" expected REFUSED [ -~]+\r\n", shown)


def test_usage(terminal: tuple[int, int]) -> None:
    """A usage error is red like other failures."""
    shown = show(terminal, ("probe", "echo"), [""])
    assert re.fullmatch(RED + b"USAGE" + PLAIN + rb" [ -~]+\r\n", shown)


@pytest.mark.parametrize(
    "environment", [{"NO_COLOR": "1"}, {"NO_COLOR": "0"}, {"TERM": "dumb"}], ids=str
)
def test_no_colour(terminal: tuple[int, int], environment: dict[str, str]) -> None:
    """Who wants no colour, or has a terminal that knows none, gets none."""
    with refusing() as address:
        shown = show(terminal, ("probe", "echo"), [address], **environment)
    assert shown.startswith(b"REFUSED ")


def test_empty_no_color(terminal: tuple[int, int]) -> None:
    """A NO_COLOR that is there but empty says nothing, as no-color.org has it."""
    with refusing() as address:
        shown = show(terminal, ("probe", "echo"), [address], NO_COLOR="")
    assert shown.startswith(b"\x1b[1;31m")


def test_json_has_no_colour(terminal: tuple[int, int]) -> None:
    """JSON is for programs, on a terminal too."""
    with refusing() as address:
        shown = show(terminal, ("probe", "echo"), [address, "--json"])
    assert shown.startswith(b'{"schema": 1, ')

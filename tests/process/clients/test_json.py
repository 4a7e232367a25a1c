"""docs/json.md against what the tools print: every object, every field, and its type."""

from __future__ import annotations

import json
import re
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from itertools import cycle
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from peer import (
    PATIENCE_S,
    Peer,
    Step,
    echo,
    expect,
    pause,
    refusing,
    refusing_datagrams,
    reset,
    send,
)
from process.clients.tool import COMMANDS, Run, Tool, run, start, stop

PAGE = (Path(__file__).parents[3] / "docs/json.md").read_text()

Object = dict[str, Any]


class Field(NamedTuple):
    """A row of the page: the objects that have it, by type and protocol, its name and its type."""

    types: list[str]
    protocol: str
    name: str
    type: str


def fields() -> Iterator[Field]:
    """The rows below each heading, which names the objects it is about; all if it names none."""
    for section in PAGE.split("\n## ")[1:]:
        heading, _, text = section.partition("\n")
        about = (re.findall(r"`(\w+)`", heading), heading.partition(" of ")[2])
        for row in re.findall(r"^\| `([\w.]+)` \| ([a-z ]+) \|", text, re.MULTILINE):
            yield Field(*about, *row)


FIELDS = list(fields())


def fields_of(found: Object) -> dict[str, str]:
    """The types of the fields that the page gives an object, by name."""
    return {
        each.name: each.type
        for each in FIELDS
        if not each.types or found["type"] in each.types
        if not each.protocol or found.get("protocol") == each.protocol
    }


def flat(found: Object, documented: dict[str, str]) -> dict[str, Any]:
    """An object's values by name; those of an inner one that the page takes apart as well."""
    values = dict(found)
    for name in {each.partition(".")[0] for each in documented if "." in each}:
        inner = found[name] or {}
        values |= {f"{name}.{key}": value for key, value in inner.items()}
    return values


SCALARS: dict[str, Callable[[object], bool]] = {
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: type(value) is int,
    "number": lambda value: type(value) in (int, float),
    "object": lambda value: isinstance(value, dict),
}


def fits(value: Any, kind: str) -> bool:
    """Whether a value is of a type, as the page writes it."""
    if kind.endswith(" or null"):
        return value is None or fits(value, kind.removesuffix(" or null"))
    if kind.startswith("array of "):
        inner = kind.removeprefix("array of ")
        return isinstance(value, list) and all(fits(each, inner) for each in value)
    if kind.startswith("map of "):
        inner = kind.removeprefix("map of ")
        return isinstance(value, dict) and all(fits(each, inner) for each in value.values())
    return SCALARS[kind](value)


def serving(*script: Step) -> Callable[[], AbstractContextManager[str]]:
    """The address of a peer that plays a script."""

    @contextmanager
    def serve() -> Iterator[str]:
        with Peer(*script) as peer:
            yield peer.address

    return serve


@contextmanager
def restarting() -> Iterator[str]:
    """The address of a daytime server that answers every second time."""
    steps = cycle([send(LINE), reset()])
    with Peer(lambda caller: next(steps)(caller)) as peer:
        yield peer.address


class Stalling:
    """An echo service that answers once, and says when it has fallen silent."""

    def __init__(self) -> None:
        self.silent, self.over = threading.Event(), threading.Event()
        self._steps = iter([echo()])

    def play(self, caller: socket.socket) -> None:
        """Answer the first caller, and keep the second one waiting."""
        if step := next(self._steps, None):
            step(caller)
        else:
            self.silent.set()
            assert self.over.wait(PATIENCE_S)

    def stop(self, tool: Tool) -> Run:
        """Run a tool against it, and stop that when it waits in vain."""
        with Peer(self.play) as peer:
            process = start(*tool, peer.address, "--json")
            assert self.silent.wait(PATIENCE_S)
            done = stop(process, signal.SIGTERM)
            self.over.set()
        return done


LINE = b"Sun Aug 29 17:25:19 UTC 2010 web-1\r\n"
REQUEST = expect(b"HEAD / HTTP/1.0\r\n\r\n")
HEAD = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 OK\r\nA: b\r\n\r\nbody"

SEVERAL = ("--count", "2", "--interval", "0.001")

# Runs that print every object, and have a value for every field that may be null. One without a
# place is stopped in a try.
RUNS: list[tuple[Tool, Callable[[], AbstractContextManager[str]] | None]] = [
    (("headinfo",), serving(REQUEST, send(HEAD))),
    (("headinfo",), serving(REQUEST, send(b"no HTTP"))),
    (("headinfo", "--expect", "REFUSED"), refusing),
    (("probe", "daytime", *SEVERAL), serving(send(LINE))),
    (("probe", "daytime", *SEVERAL), refusing),
    (("probe", "echo", *SEVERAL), serving(echo())),
    (("probe", "echo", "--udp", *SEVERAL, "--expect", "REFUSED"), refusing_datagrams),
    (
        ("probe", "hold", "--duration", "0.6", "--interval", "0.01", "--gap", "0.1"),
        serving(lambda caller: caller.sendall(caller.recv(512)), pause(0.4), echo()),
    ),
    (("probe", "hold", "--expect", "REFUSED"), refusing),
    (("probe", "watch", "daytime", "--count", "4", "--interval", "0.001"), restarting),
    (("probe", "watch", "echo", "--udp", *SEVERAL), refusing_datagrams),
    (("probe", "watch", "echo", "--interval", "0.001", "--timeout", "60"), None),
    (("probe", "conform", "daytime"), serving(send(LINE))),
    (("probe", "conform", "echo"), refusing),
]


@cache
def printed(number: int) -> list[Object]:
    """The objects that one of the runs printed."""
    tool, place = RUNS[number]
    if place:
        with place() as address:
            done = run(*tool, address, "--json")
    else:
        done = Stalling().stop(tool)
    return [json.loads(line) for line in done.out.splitlines()]


@pytest.mark.parametrize("number", range(len(RUNS)), ids=lambda number: " ".join(RUNS[number][0]))
def test_fields(number: int) -> None:
    """An object has the fields that the page gives it, of their types, and no other."""
    assert printed(number)
    for found in printed(number):
        documented = fields_of(found)
        values = flat(found, documented)
        inner = {each for each in documented if "." in each and not found[each.partition(".")[0]]}
        assert values.keys() == documented.keys() - inner
        for name, value in values.items():
            assert fits(value, documented[name]), (name, value, documented[name])


def test_the_example() -> None:
    """The object that the page shows has its own fields."""
    (shown,) = re.findall(r"^    (\{.*\})$", PAGE, re.MULTILINE)
    assert json.loads(shown).keys() == fields_of(json.loads(shown)).keys()


def test_nothing_is_made_up() -> None:
    """Each field of each object on the page has been seen with a value."""
    seen = set()
    for found in (each for number in range(len(RUNS)) for each in printed(number)):
        documented = fields_of(found)
        values = flat(found, documented)
        seen |= {(found["type"], name) for name in documented if values.get(name) is not None}
    types = {kind for each in FIELDS for kind in each.types}
    for each in FIELDS:
        for kind in each.types or types:
            assert (kind, each.name) in seen


def test_every_command_prints_json() -> None:
    """There is no command whose JSON is not held against the page."""
    for command in COMMANDS:
        assert any(tool[: len(command)] == command for tool, _ in RUNS), command

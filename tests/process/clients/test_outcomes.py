"""What both tools have in common: usage, several tries, and outputs that cannot be written."""

from __future__ import annotations

import json
import re
import shlex
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from peer import Peer, Step, echo, expect, pause, refusing, send
from probes import __version__
from process.clients.tool import (
    CLIENTS,
    COMMANDS,
    ENVIRONMENT,
    LAUNCHER,
    PYTHON,
    STOPS,
    Run,
    finish,
    run,
    start,
    start_python,
    stop,
)

TOOLS = pytest.mark.parametrize("tool", COMMANDS, ids=" ".join)

PAUSE_S = 0.4
ANSWERED = ["connect", "first byte", "answer"]

LINE = b"Sun Aug 29 17:25:19 EST 2010\r\n"


def facts(done: Run) -> dict[str, Any]:
    """The one JSON object that a tool printed."""
    parsed: dict[str, Any] = json.loads(done.out)
    return parsed


@TOOLS
@pytest.mark.parametrize(
    "arguments",
    [[""], ["h" * 100_000 + ":80"], ["\x1b[31m:80"]],
    ids=["empty", "long", "escape"],
)
def test_usage(tool: tuple[str, ...], arguments: list[str]) -> None:
    """A bad command line is one printable line on stderr that begins with USAGE, and exit 2."""
    done = run(*tool, *arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"USAGE {' '.join(tool)}: ")
    assert done.err[:-1].isprintable()


@TOOLS
def test_unknown_option(tool: tuple[str, ...]) -> None:
    """The command that does not know an option says so, in its own name."""
    done = run(*tool, "localhost:7", "--no-such-option")
    name = " ".join(tool)
    hint = f"see {name} --help"
    assert done.err == f"USAGE {name}: unrecognized arguments: --no-such-option; {hint}\n"
    assert (done.code, done.out) == (2, "")


@pytest.mark.usefixtures("interruptible")
@STOPS
@pytest.mark.parametrize("form", [(), ("--json",)], ids=["text", "json"])
def test_interrupt_of_several_tries(form: tuple[str, ...], number: signal.Signals) -> None:
    """Ctrl-C and its like between tries still show the summary of those that ended, and exit with
    130.
    """
    with Peer(send(LINE)) as peer:
        process = start("probe", "daytime", peer.address, "--count", "9", "--interval", "60", *form)
        assert process.stdout
        first = process.stdout.readline()
        done = stop(process, number)
    assert first
    assert (done.code, done.err, done.out.count("\n")) == (130, "", 1)
    if form:
        assert (facts(done)["sent"], facts(done)["exit"]) == (1, 130)
    else:
        assert done.out.startswith(f"SUMMARY {peer.address} 1 sent, 1 ok, 0 failed; ")
        assert done.out.endswith("; interrupted\n")


def test_summary_after_several_tries() -> None:
    """Several tries are a line each and a summary; the code is that of the first failure."""
    replies = iter([LINE, b"", b"wrong\n", LINE])
    with Peer(lambda caller: caller.sendall(next(replies))) as peer:
        done = run("probe", "daytime", peer.address, "--count", "4", "--interval", "0.01")
    assert done.words == ["OK", "CLOSED", "WRONG", "OK", "SUMMARY"]
    assert done.code == 52
    summary = done.out.splitlines()[-1]
    counts = "4 sent, 2 ok, 2 failed (CLOSED 1, WRONG 1)"
    assert summary.startswith(f"SUMMARY {peer.address} {counts}; whole ms min ")
    assert re.findall("; ([a-z ]+) ms min ", summary) == ["whole", "lookup", *ANSWERED]


def test_json_of_several_tries() -> None:
    """--json is one object per line, tries first and the summary last."""
    with Peer(echo()) as peer:
        options = ("--count", "3", "--interval", "0.01", "--json")
        done = run("probe", "echo", peer.address, *options)
    lines = [json.loads(line) for line in done.out.splitlines()]
    assert [line["type"] for line in lines] == ["try", "try", "try", "summary"]
    assert [line["try"] for line in lines[:-1]] == [1, 2, 3]
    assert {line["schema"] for line in lines} == {1}
    summary = lines[-1]
    assert (summary["sent"], summary["ok"], summary["failed"], summary["exit"]) == (3, 3, {}, 0)
    for phase in ("lookup_ms", "connect_ms", "first_byte_ms", "answer_ms"):
        assert list(summary[phase]) == ["min", "p50", "p95", "p99", "max"]


@pytest.mark.parametrize(
    ("tool", "script"),
    [
        (("probe", "daytime"), [pause(PAUSE_S), send(LINE[:9]), pause(PAUSE_S), send(LINE[9:])]),
        (("probe", "echo"), [pause(PAUSE_S), echo(), pause(PAUSE_S)]),
        (
            ("headinfo",),
            [
                *[expect(b"HEAD / HTTP/1.0\r\n\r\n"), pause(PAUSE_S), send(b"HTTP/1.0 200")],
                *[pause(PAUSE_S), send(b" OK\r\n\r\n")],
            ],
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_phases(tool: tuple[str, ...], script: list[Step]) -> None:
    """A peer that thinks before its first byte shows there, one that dawdles later in the answer.

    The phases together are all of the time.
    """
    with Peer(*script) as peer:
        found = facts(run(*tool, peer.address, "--json"))
    times = [found[f"{phase}_ms"] for phase in ("lookup", "connect", "first_byte", "answer")]
    # A busy machine may see the beginning of a pause late, but not by half of it.
    assert min(times[2:]) >= PAUSE_S * 1000 / 2
    assert sum(times) == pytest.approx(found["elapsed_ms"], abs=0.01)


def test_closed_output() -> None:
    """A reader that has seen enough ends the tool quietly."""
    with Peer(send(LINE)) as peer:
        process = start("probe", "daytime", peer.address, "--count", "1000", "--interval", "0.01")
        assert process.stdout
        assert process.stdout.readline().startswith(b"OK ")
        process.stdout.close()
        assert process.wait(timeout=10) == 141
        assert process.stderr
        assert process.stderr.read() == b""
        process.stderr.close()


@TOOLS
def test_no_output_at_all(tool: tuple[str, ...]) -> None:
    """A tool that is started without stdout and stderr still has its exit code."""
    once = ("--count", "1") if "watch" in tool else ()
    with refusing() as address:
        program = LAUNCHER.format(tool=tool[0])
        line = shlex.join([*PYTHON, "-c", program, *tool[1:], address, *once])
        done = subprocess.run(f"{line} >&- 2>&-", shell=True, env=ENVIRONMENT, check=False)
    assert done.returncode == (1 if "conform" in tool else 7)


@pytest.mark.fault("a full disk, also without Python's buffer (PYTHONUNBUFFERED)")
@pytest.mark.parametrize("unbuffered", [(), ("-u",)], ids=["buffered", "unbuffered"])
@pytest.mark.parametrize("arguments", [("daytime", "{}"), ("--help",)], ids=lambda each: each[0])
def test_full_disk(arguments: tuple[str, ...], unbuffered: tuple[str, ...]) -> None:
    """Output that cannot be written is one line on stderr and an exit code, no traceback; also
    where Python is told not to buffer it, and would lose the rest of what is written in part.
    """
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    with Peer(send(LINE)) as peer, Path("/dev/full").open("wb") as full:
        program = LAUNCHER.format(tool="probe")
        given = [each.format(peer.address) for each in arguments]
        done = finish(start_python(*unbuffered, "-c", program, *given, stdout=full.fileno()))
    assert (done.code, done.err) == (23, "cannot write the output: No space left on device\n")


@pytest.mark.parametrize(("module", "tool"), [("probes", "probe"), ("probes.headinfo", "headinfo")])
def test_without_installing(module: str, tool: str) -> None:
    """A tool runs as a module in the directory of its package, whatever PYTHONPATH says."""
    done = finish(start_python("-E", "-S", "-m", module, "--version", directory=CLIENTS))
    assert (done.code, done.out, done.err) == (0, f"{tool} {__version__}\n", "")

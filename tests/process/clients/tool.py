"""Running the tools as a user does: as processes of their own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import termios
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from io import FileIO
from pathlib import Path

import pytest

from server_process import is_sleeping, wait_until

CLIENTS = Path(__file__).parents[3] / "clients"
# Output is buffered as it is for a user, whatever this process was told.
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(CLIENTS), "PYTHONUNBUFFERED": ""}
# Warnings are errors, so that a socket left open shows up on stderr.
PYTHON = (sys.executable, "-W", "error")

# Nothing here takes this long; it only keeps a broken test from hanging.
PATIENCE_S = 30.0

# What a launcher holds: the program that a user runs.
LAUNCHER = "import sys; from probes.cli.main import {tool}; sys.exit({tool}())"
# The same, and at its end it reports the seconds since the imports, those of processor, those that
# it waited for a processor, and its peak memory. Only the tool can report the last: the peak that
# the system keeps of a child includes the process that forked it.
MEASURED = """
import atexit, os, sys, time
descriptor = int(sys.argv.pop(1))
{first}
import probes.cli.{tool}
def delayed():
    with open("/proc/self/schedstat") as numbers:
        return int(numbers.read().split()[1]) / 1e9
began, delayed_before = time.monotonic(), delayed()
def report():
    with open("/proc/self/status") as status:
        peak_kib = status.read().split("VmHWM:")[1].split()[0]
    took = time.monotonic() - began, time.process_time(), delayed() - delayed_before
    os.write(descriptor, " ".join(map(str, [*took, peak_kib])).encode())
atexit.register(report)
from probes.cli.main import {tool}
sys.exit({tool}())
"""

# A deadline for peers that let it pass, and by how much it may be overrun.
TIMEOUT_S = 0.5
OVERRUN_S = 1.0
# A deadline that is too far to be the reason for an outcome, however busy the machine.
DISTANT_S = 20.0
TIMEOUT_CODE = 28
# Above what a tool needs to say its version: one head of 64 KiB in all its lines takes half of it.
MAX_GROWTH_KIB = 8 * 1024
PRINTABLE = re.compile(rb"[\t\n -~]*")

Tool = tuple[str, ...]

# What ends a run early, but not what is told of it.
STOPS = pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda each: each.name
)

# For the fixture that ends what a failed test leaves.
STARTED: list[subprocess.Popen[bytes]] = []

# All that there are.
COMMANDS: list[Tool] = [
    ("headinfo",),
    ("probe", "daytime"),
    ("probe", "echo"),
    ("probe", "hold"),
    ("probe", "watch", "daytime"),
    ("probe", "watch", "echo"),
    ("probe", "conform", "daytime"),
    ("probe", "conform", "echo"),
]
# What the lines beside that of the outcome begin with.
BESIDES = {"OPEN", "PAUSE", "SUMMARY"}


@dataclass(frozen=True)
class Run:
    """What a finished tool left. Bytes matter, since bytes are what reaches a terminal."""

    code: int
    stdout: bytes
    stderr: bytes

    @property
    def out(self) -> str:
        """Data, which must be ASCII."""
        return self.stdout.decode("ascii")

    @property
    def err(self) -> str:
        """Messages, which must be ASCII."""
        return self.stderr.decode("ascii")

    @property
    def words(self) -> list[str]:
        """The first word of every line of data."""
        return [line.split()[0] for line in self.out.splitlines()]

    @property
    def outcome(self) -> tuple[str, int]:
        """The word and the exit code of the one try that was made, or of the one that was held."""
        [word] = {line.split()[0] for line in (self.out + self.err).splitlines()} - BESIDES
        return word, self.code


@dataclass(frozen=True)
class Cost:
    """What a run took: seconds without the imports, seconds of processor with them, and the peak of
    its resident memory.

    `delay_s` is how long it and its peers, which are threads of this process, waited for a
    processor: on a busy machine that is a part of `seconds`.
    """

    seconds: float
    processor_s: float
    delay_s: float
    peak_kib: int


def start(tool: str, *arguments: str) -> subprocess.Popen[bytes]:
    """Start a tool and leave it running."""
    return start_python("-c", LAUNCHER.format(tool=tool), *arguments)


def start_python(
    *arguments: str,
    descriptors: Sequence[int] = (),
    stdout: int = subprocess.PIPE,
    stderr: int = subprocess.PIPE,
    directory: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start the interpreter where it finds the tools."""
    process = subprocess.Popen(
        [*PYTHON, *arguments],
        env=ENVIRONMENT,
        cwd=directory,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        pass_fds=descriptors,
    )
    STARTED.append(process)
    return process


def finish(process: subprocess.Popen[bytes]) -> Run:
    """Wait for a started tool to end."""
    with process:
        try:
            stdout, stderr = process.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    return Run(process.returncode, stdout or b"", stderr or b"")


def stop(process: subprocess.Popen[bytes], number: signal.Signals = signal.SIGINT) -> Run:
    """Stop a started tool while it waits, by Ctrl-C or another signal."""
    # Between two calls that wait there is Python, in which a socket may just have been opened.
    wait_until(lambda: is_sleeping(process.pid), "a call that waits")
    process.send_signal(number)
    return finish(process)


def run(tool: str, *arguments: str) -> Run:
    """Run a tool to its end."""
    return finish(start(tool, *arguments))


def show(tool: Tool, *arguments: str, **environment: str) -> bytes:
    """Run a tool on a terminal of so many COLUMNS, 80 by default, and see all that it writes."""
    ours, its = os.openpty()
    termios.tcsetwinsize(its, (24, int(environment.get("COLUMNS", 80))))
    base = {name: each for name, each in ENVIRONMENT.items() if name != "NO_COLOR"}
    process = subprocess.Popen(
        [*PYTHON, "-c", LAUNCHER.format(tool=tool[0]), *tool[1:], *arguments],
        env=base | {"TERM": "xterm"} | environment,
        stdout=its,
        stderr=its,
    )
    os.close(its)
    with process, os.fdopen(ours, "rb", buffering=0) as terminal:
        return b"".join(iter(lambda: _read(terminal), b""))


def _read(terminal: FileIO) -> bytes:
    try:
        return terminal.read(65536)
    except OSError:  # Linux's word for the end of a terminal that nobody else has open
        return b""


def measure(tool: str, *arguments: str, first: str = "") -> tuple[Run, Cost]:
    """Run a tool, in an interpreter that did `first` before, and see what it took."""
    program = MEASURED.format(tool=tool, first=first)
    with tempfile.TemporaryFile() as report:
        at, before = report.fileno(), peers_delay_s()
        done = finish(start_python("-c", program, str(at), *arguments, descriptors=[at]))
        peers_s = peers_delay_s() - before
        report.seek(0)
        seconds, processor_s, delay_s, peak_kib = report.read().split()
    return done, Cost(float(seconds), float(processor_s), float(delay_s) + peers_s, int(peak_kib))


def peers_delay_s() -> float:
    """Return how long the threads of this process have waited for a processor (proc(5))."""
    files = Path("/proc/self/task").glob("*/schedstat")
    return sum(int(each.read_text().split()[1]) for each in files) / 1e9


@cache
def least_kib(tool: str) -> int:
    """The memory of a tool that meets nobody."""
    return measure(tool, "--version")[1].peak_kib


def withstand(
    tool: Tool,
    *arguments: str,
    timeout_s: float = DISTANT_S,
    by_s: float = TIMEOUT_S,
    first: str = "",
) -> Run:
    """Run a tool against something hostile: it ends in time, small, and shows printable text.

    Give a `timeout_s` of `TIMEOUT_S` where TIMEOUT is the outcome.
    """
    done, cost = measure(*tool, *arguments, "--timeout", str(timeout_s), first=first)
    assert cost.seconds - cost.delay_s < by_s + OVERRUN_S, cost
    assert done.code != TIMEOUT_CODE or cost.seconds >= timeout_s, cost
    assert cost.peak_kib < least_kib(tool[0]) + MAX_GROWTH_KIB, cost
    assert PRINTABLE.fullmatch(done.stdout + done.stderr), done
    assert "Traceback" not in done.err, done
    return done

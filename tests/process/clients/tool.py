"""Running the tools as a user does: as processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

CLIENTS = Path(__file__).parents[3] / "clients"
# Output is buffered as it is for a user, whatever this process was told.
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(CLIENTS), "PYTHONUNBUFFERED": ""}
# Warnings are errors, so that a socket left open shows up on stderr.
PYTHON = (sys.executable, "-W", "error")

# Nothing here takes this long; it only keeps a broken test from hanging.
PATIENCE_S = 30.0

# What a launcher holds: the program that a user runs.
LAUNCHER = "import sys; from probes.commands import {tool}; sys.exit({tool}())"
Tool = tuple[str, ...]


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


def start(tool: str, *arguments: str) -> subprocess.Popen[bytes]:
    """Start a tool and leave it running."""
    return start_python("-c", LAUNCHER.format(tool=tool), *arguments)


def start_python(
    *arguments: str,
    stdout: int = subprocess.PIPE,
    stderr: int = subprocess.PIPE,
) -> subprocess.Popen[bytes]:
    """Start the interpreter where it finds the tools."""
    return subprocess.Popen(
        [*PYTHON, *arguments],
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
    )


def finish(process: subprocess.Popen[bytes]) -> Run:
    """Wait for a started tool to end."""
    with process:
        try:
            stdout, stderr = process.communicate(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    return Run(process.returncode, stdout or b"", stderr or b"")


def run(tool: str, *arguments: str) -> Run:
    """Run a tool to its end."""
    return finish(start(tool, *arguments))

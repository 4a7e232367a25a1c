"""Child processes of tests: found by /proc, and ended with all that they started."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

# Of prctl(2); Python has no function for it.
PR_SET_CHILD_SUBREAPER = 36


def children(pid: int) -> list[int]:
    """Return the child processes, oldest first; [] where the system has no /proc."""
    found: list[int] = []
    for file in sorted(Path(f"/proc/{pid}/task").glob("*/children")):
        with suppress(FileNotFoundError, ProcessLookupError):
            found += map(int, file.read_text().split())
    return found


def kill(pids: Sequence[int]) -> None:
    """Kill processes, some of which may have ended."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def end(process: subprocess.Popen[Any]) -> None:
    """Kill a process that still runs, and its children: a supervisor's workers would drain."""
    if process.poll() is None:
        kill([process.pid, *children(process.pid)])


@contextmanager
def running(command: Sequence[str], **options: Any) -> Iterator[subprocess.Popen[Any]]:
    """Run a program with the options of Popen; end it with the block, however that ends."""
    with subprocess.Popen(command, **options) as process:
        try:
            yield process
        finally:
            end(process)


def adopt_orphans() -> None:
    """Become the parent of grandchildren that lose theirs, so that `children` finds them."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


@contextmanager
def nothing_left() -> Iterator[None]:
    """Kill each process that the block starts and leaves; AssertionError if one still runs."""
    before = set(children(os.getpid()))
    yield
    left = [pid for pid in children(os.getpid()) if pid not in before]
    alive = [text for pid in left if (text := described(pid))]
    kill(left)
    for pid in left:
        with suppress(ChildProcessError):
            os.waitpid(pid, 0)
    assert not alive, f"still running: {alive}"


def described(pid: int) -> str:
    """Return number, name and command line of a process that runs, "" for one that ends or ended.

    A process that was killed a moment ago has no command line any more.
    """
    with suppress(FileNotFoundError, ProcessLookupError):
        process = Path(f"/proc/{pid}")
        name, _, state = (process / "stat").read_text().rpartition(")")
        command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        return "" if state.split()[0] == "Z" or not command else f"{name}) {command}"
    return ""

"""Starting a process on a core, and what the system knows of it."""

import ctypes
import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from subprocess import Popen
from typing import Any

from scripts.parent import end_with

LIBC = ctypes.CDLL(None)
INTERRUPTIONS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}


@contextmanager
def started(argv: Sequence[str], core: int, **options: Any) -> Iterator[Popen[Any]]:
    """A process pinned to a core, with a session of its own: Ctrl-C is for us, who end it.

    Interruptions wait until there is somebody who does. Raises OSError.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, INTERRUPTIONS)
    parent = os.getpid()

    def prepare() -> None:
        end_with(parent)
        os.sched_setaffinity(0, {core})
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    try:
        process = Popen(argv, preexec_fn=prepare, start_new_session=True, **options)
    except BaseException:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        raise
    try:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def tree(pid: int) -> list[int]:
    """A process and all that descend from it."""
    found = [pid]
    for parent in found:
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            with suppress(OSError):  # a thread that has just ended
                found += map(int, children.read_text().split())
    return found


def cpu_seconds(pids: list[int]) -> float:
    """Processor time of all threads, those that have ended too (clock_getcpuclockid(3))."""
    total, clock = 0.0, ctypes.c_int()
    for pid in pids:
        if error := LIBC.clock_getcpuclockid(pid, ctypes.byref(clock)):
            raise ProcessLookupError(error, os.strerror(error))
        total += time.clock_gettime(clock.value)
    return total


def ticks(pids: list[int]) -> tuple[int, int]:
    """The same in clock ticks: in their own code, and in the kernel (proc(5), stat)."""
    fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
    return sum(int(each[11]) for each in fields), sum(int(each[12]) for each in fields)


def resident_bytes(pids: list[int]) -> int:
    """Resident memory: exact from smaps_rollup, else (another user's process) what status says."""
    total = 0
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text().split("Rss:")[1]
        except (OSError, IndexError):
            text = Path(f"/proc/{pid}/status").read_text().split("VmRSS:")[1]
        total += int(text.split()[0]) * 1024
    return total


def sockets(pids: list[int]) -> dict[int, int]:
    """How many sockets each process has open. Raises OSError."""
    return {
        pid: sum(each.is_socket() for each in Path(f"/proc/{pid}/fd").iterdir()) for pid in pids
    }

"""What the system knows of a process, read from /proc."""

import ctypes
import os
import time
from pathlib import Path

LIBC = ctypes.CDLL(None)


def tree(pid: int) -> list[int]:
    """A process and all that descend from it."""
    found = [pid]
    for parent in found:
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
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

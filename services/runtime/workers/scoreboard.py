"""The scoreboard: the state of each worker, in memory that all processes of a server share.

The term is Apache httpd's. Cells have 8 bytes and are aligned, so no reader sees half a value.
"""

import math
import mmap
from typing import NamedTuple

from runtime.connection import CloseReason
from runtime.counters import Counters, Counts
from runtime.heartbeat import Heartbeat
from runtime.shutdown import TIMES

CELL_BYTES = 8

NAMES = list(Counters().counts())
_CONNECTIONS, _OPEN, _LOST = map(NAMES.index, ("connections", "open", CloseReason.LOST))
_CLOSE_REASONS = [NAMES.index(reason) for reason in CloseReason]


class Slot(NamedTuple):
    """The state of one worker, and after its end of its replacement."""

    heartbeat: Heartbeat
    cells: "memoryview[int]"  # one for each counter

    def vacate(self) -> None:
        """Note that the worker has died: its connections are lost."""
        # Not just the open ones: a worker that died while it published may have published its
        # connections, which come first, and not their close reasons.
        ended = sum(self.cells[index] for index in _CLOSE_REASONS)
        self.cells[_LOST] += self.cells[_CONNECTIONS] - ended
        self.cells[_OPEN] = 0
        self.heartbeat.cell[0] = math.inf

    def suspend(self) -> None:
        """Note that the worker does not run for now: it is stopped (SIGSTOP), or keeps dying."""
        if self.heartbeat.cell[0] == math.inf:
            self.heartbeat.cell[0] = -math.inf

    def resume(self) -> None:
        """Note that the worker runs again."""
        if self.heartbeat.cell[0] == -math.inf:
            self.heartbeat.cell[0] = math.inf


class Scoreboard:
    """A slot for each worker, made before the first fork, and the times of the shutdown."""

    def __init__(self, workers: int) -> None:
        cells = TIMES + 1 + workers * (1 + len(NAMES))
        self._free = memoryview(mmap.mmap(-1, cells * CELL_BYTES))  # shared with every fork
        self.times = self._take(TIMES).cast("d")
        self.supervisor = Heartbeat(self._take(1).cast("d"))
        self.slots = [
            Slot(Heartbeat(self._take(1).cast("d")), self._take(len(NAMES)).cast("q"))
            for _ in range(workers)
        ]

    def is_alive(self) -> bool:
        """Return whether neither the supervisor nor a worker is stopped or stuck."""
        heartbeats = [self.supervisor, *(slot.heartbeat for slot in self.slots)]
        return all(each.is_alive() for each in heartbeats)

    def counts(self) -> Counts:
        """Return the sums over all workers."""
        columns = zip(*(slot.cells for slot in self.slots), strict=True)
        return dict(zip(NAMES, map(sum, columns), strict=True))

    def _take(self, cells: int) -> memoryview:
        taken, self._free = self._free[: cells * CELL_BYTES], self._free[cells * CELL_BYTES :]
        return taken

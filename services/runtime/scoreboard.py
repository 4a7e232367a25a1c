"""The scoreboard: what workers tell of themselves, in memory that all processes of a server share.

The word is Apache httpd's. Cells have 8 bytes and are aligned, so none is ever seen half written.
"""

import math
import mmap
from typing import NamedTuple

from runtime.connection import Ending
from runtime.heartbeat import Heartbeat
from runtime.lifecycle import TIMES
from runtime.tally import Counts, Tally

CELL_BYTES = 8

NAMES = list(Tally().counts())
_CONNECTIONS, _OPEN, _LOST = map(NAMES.index, ("connections", "open", Ending.LOST))
_ENDINGS = [NAMES.index(ending) for ending in Ending]


class Slot(NamedTuple):
    """What one worker tells, and its replacement after it."""

    heartbeat: Heartbeat
    cells: "memoryview[int]"  # of a tally

    def vacate(self) -> None:
        """The worker has died: its connections are lost, and no turn holds it up any more."""
        # Not just those told to be open: one that died in the middle of publishing has told of
        # connections, which come first, and maybe not of what became of them.
        ended = sum(self.cells[index] for index in _ENDINGS)
        self.cells[_LOST] += self.cells[_CONNECTIONS] - ended
        self.cells[_OPEN] = 0
        self.heartbeat.cell[0] = math.inf

    def suspend(self) -> None:
        """There will be no turn for now: the worker was stopped (SIGSTOP), or keeps dying."""
        if self.heartbeat.cell[0] == math.inf:
            self.heartbeat.cell[0] = -math.inf

    def resume(self) -> None:
        """The worker was continued, or is started again."""
        if self.heartbeat.cell[0] == -math.inf:
            self.heartbeat.cell[0] = math.inf


class Scoreboard:
    """A slot for each worker, made before the first is forked; and the times of a stop."""

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
        """The sums over all workers."""
        columns = zip(*(slot.cells for slot in self.slots), strict=True)
        return dict(zip(NAMES, map(sum, columns), strict=True))

    def _take(self, cells: int) -> memoryview:
        taken, self._free = self._free[: cells * CELL_BYTES], self._free[cells * CELL_BYTES :]
        return taken

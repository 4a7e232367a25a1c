"""Whether a serving loop that has something to do is still doing it."""

import math
import time

# Far above any turn of a loop, and reported well within the patience of an orchestrator.
STALLED_AFTER_S = 5.0


class Heartbeat:
    """Entered while a loop has work at hand, left while it waits for some: `with heartbeat:`.

    So a loop that rests for an hour is alive, and one that has been at a single turn for
    `STALLED_AFTER_S` is not. `cell` is a memoryview of one double, which workers share with their
    supervisor: since when there is work, monotonic seconds, or infinity.
    """

    def __init__(self, cell: "memoryview[float] | None" = None) -> None:
        self.cell = memoryview(bytearray(8)).cast("d") if cell is None else cell
        self.cell[0] = math.inf

    def __enter__(self) -> None:
        self.cell[0] = time.monotonic()

    def __exit__(self, *_: object) -> None:
        self.cell[0] = math.inf

    def is_alive(self) -> bool:
        """Whether the loop is waiting, or has not worked on one turn for too long."""
        return time.monotonic() - self.cell[0] < STALLED_AFTER_S

"""Detection of a serving loop that is stuck."""

import math
import time

# Far longer than any iteration of a loop, and shorter than the patience of an orchestrator.
STALLED_AFTER_S = 5.0


class Heartbeat:
    """A loop enters it (`with heartbeat:`) while it works, and leaves it while it waits.

    A loop that waits for an hour is alive. A loop that works for `STALLED_AFTER_S` without a wait
    is not. `cell` is a memoryview of one double, which workers share with their supervisor: the
    monotonic time since which the loop works, or infinity.
    """

    def __init__(self, cell: "memoryview[float] | None" = None) -> None:
        self.cell = memoryview(bytearray(8)).cast("d") if cell is None else cell
        self.cell[0] = math.inf

    def __enter__(self) -> None:
        self.cell[0] = time.monotonic()

    def __exit__(self, *_: object) -> None:
        self.cell[0] = math.inf

    def is_alive(self) -> bool:
        """Return whether the loop waits, or has worked for less than `STALLED_AFTER_S`."""
        return time.monotonic() - self.cell[0] < STALLED_AFTER_S

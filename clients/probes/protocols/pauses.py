"""How long bytes are pending without one of them coming. Pure: the caller brings the time."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Pause:
    """A pause longer than allowed: how long it is so far, or how long it was when it was `over`."""

    seconds: float
    over: bool


class Pauses:
    """Measures pauses; tells of each as it becomes longer than `gap_s`, and again when it is over.

    Silence is no pause while no byte is pending. Times are seconds on any one clock.
    """

    def __init__(self, gap_s: float, tell: Callable[[Pause], None]) -> None:
        self.gap_s = gap_s
        self.count = 0
        self.longest_s = 0.0
        self._tell = tell
        self._since: float | None = None
        self._is_told = False

    @property
    def due(self) -> float:
        """When the pause that is under way becomes too long, if nothing comes; else infinity."""
        if self._since is None or self._is_told:
            return math.inf
        return self._since + self.gap_s

    def pending(self, now: float) -> None:
        """From now on bytes are pending, unless some were before."""
        if self._since is None:
            self._since = now

    def received(self, now: float) -> None:
        """Bytes have come, and none is pending until `pending` says so."""
        self.look(now)
        if self._is_told and self._since is not None:
            self._tell(Pause(now - self._since, over=True))
        self._since, self._is_told = None, False

    def look(self, now: float) -> None:
        """Nothing has come until now."""
        if self._since is None:
            return
        self.longest_s = max(self.longest_s, now - self._since)
        if now >= self.due:
            self.count += 1
            self._is_told = True
            self._tell(Pause(now - self._since, over=False))

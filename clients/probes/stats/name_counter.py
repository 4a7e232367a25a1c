"""Answers counted by the name of the server, in bounded memory. Pure."""

from __future__ import annotations

from collections import Counter

# Names come from the peer, and an attempt is cheap, so the peer must not choose how many are kept.
MAX_NAMES = 1000


class NameCounter:
    """Counts by name, for the first 1,000 different names; all others are counted together."""

    def __init__(self) -> None:
        self.names: Counter[str] = Counter()
        self.others = 0

    @property
    def total(self) -> int:
        """How many were counted."""
        return self.names.total() + self.others

    def add(self, name: str) -> None:
        """Count one answer."""
        if name in self.names or len(self.names) < MAX_NAMES:
            self.names[name] += 1
        else:
            self.others += 1

    def text(self, most: int | None = None) -> str:
        """Return the most frequent names, by default all that are kept, as `web-1 3, web-2 2`."""
        shown = self.names.most_common(most)
        rest = self.total - sum(count for _, count in shown)
        counts = ", ".join(f"{name} {count}" for name, count in shown)
        return f"{counts} and {rest} by others" if rest else counts

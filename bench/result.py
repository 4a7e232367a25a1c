"""The result of a run, as it lies in bench/results, and the figures that follow from it."""

from collections.abc import Callable
from statistics import median
from typing import Any

from bench.load import Sample
from bench.works import WORKS, Work

MEBIBYTE = 1 << 20
BY_NAME = {work.name: work for work in WORKS}


def cpu_us(sample: Sample) -> float:
    """Processor time of the server, microseconds per message."""
    return sample["cpu_us"] / sample["messages"]


def cpu_us_per_mebibyte(sample: Sample) -> float:
    """The same per mebibyte that came back."""
    return sample["cpu_us"] / (sample["bytes"] / MEBIBYTE)


def bytes_per_connection(sample: Sample) -> float:
    """Memory that the connections have added, for each of them."""
    return (sample["memory"] - sample["memory_before"]) / sample["connections"]


COST: dict[str, Callable[[Sample], float]] = {
    "bulk": cpu_us_per_mebibyte,
    "idle": bytes_per_connection,
}


class Result:
    """A run: figures are medians over its rounds."""

    def __init__(self, data: dict[str, Any]) -> None:
        self.data = data

    def samples(self, work: str, server: str) -> list[Sample]:
        """The samples of all rounds; none if the server was not measured."""
        found: list[Sample] = self.data["works"].get(work, {}).get("samples", {}).get(server, [])
        return found

    def why_not(self, work: str, server: str) -> str | None:
        """Why there are no samples, as a row can say it."""
        entry = self.data["works"].get(work, {})
        if failed := entry.get("failed", {}).get(server):
            return f"failed: {failed}"
        reason = entry.get("not_run", {}).get(server)
        return f"not run: {reason}" if reason else None

    def works(self) -> list[Work]:
        """What was measured, in the order of the table."""
        return [work for work in WORKS if work.name in self.data["works"]]

    def median(self, work: str, server: str, figure: Callable[[Sample], float]) -> float | None:
        """The median of a figure; None if there are no samples."""
        samples = self.samples(work, server)
        return median(map(figure, samples)) if samples else None

    def cost(self, work: str, server: str) -> float | None:
        """What is compared: memory of an idle connection, else processor time."""
        return self.median(work, server, COST.get(BY_NAME[work].mode, cpu_us))

    def ratio(self, work: str, server: str, other: str) -> float | None:
        """The cost beside another server's."""
        ours, theirs = self.cost(work, server), self.cost(work, other)
        return ours / theirs if ours is not None and theirs else None

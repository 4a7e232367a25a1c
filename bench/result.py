"""The result of a run, as it lies in bench/results, and the figures that follow from it."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

from bench.load import Sample
from bench.works import BY_NAME, WORKS, Work

SCHEMA = 1
RESULTS = Path(__file__).resolve().parent / "results"
MEBIBYTE = 1 << 20


class NoResult(Exception):
    """There is none, or none that can be read: one line."""


def cpu(sample: Sample) -> float:
    """Processor time of the server, microseconds per message."""
    return sample["cpu_us"] / sample["messages"]


def cpu_of_bulk(sample: Sample) -> float:
    """The same per mebibyte that came back."""
    return sample["cpu_us"] / (sample["bytes"] / MEBIBYTE)


def memory_of_idle(sample: Sample) -> float:
    """Bytes that connections have added to the server's memory, for each of them."""
    return (sample["memory"] - sample["memory_before"]) / sample["added"]


COSTS = {"bulk": cpu_of_bulk, "idle": memory_of_idle}


class Result:
    """A run. Its figures are medians over the rounds."""

    def __init__(self, data: dict[str, Any]) -> None:
        self.data = data

    @classmethod
    def read(cls, path: Path) -> "Result":
        """The result in a file. Raises NoResult."""
        try:
            data = json.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise NoResult(f"{path}: {error}") from None
        if not isinstance(data, dict) or data.get("schema") != SCHEMA:
            raise NoResult(f"{path}: not a result of schema {SCHEMA}")
        return cls(data)

    @classmethod
    def newest(cls) -> "Result":
        """The last result. Raises NoResult."""
        files = sorted(RESULTS.glob("*.json"))
        if not files:
            raise NoResult("bench/results: no result yet; make bench")
        return cls.read(files[-1])

    def write(self) -> Path:
        """Write it under its date, a sample a line; where it is then."""
        text = json.dumps(self.data, indent=1)
        path = RESULTS / f"{self.data['date'][:10]}.json"
        path.write_text(re.sub(r"{[^{}]*}", lambda flat: " ".join(flat[0].split()), text) + "\n")
        return path

    def works(self) -> list[Work]:
        """What was measured, in the order of the tables."""
        return [work for work in WORKS if work.name in self.data["works"]]

    def servers(self, work: Work) -> list[str]:
        """Who was to be measured."""
        entry = self.data["works"][work.name]
        return [name for name in work.servers if any(name in part for part in entry.values())]

    def samples(self, work: str, server: str) -> list[Sample]:
        """The samples of all rounds; none if the server was not measured."""
        found: list[Sample] = self._entry(work).get("samples", {}).get(server, [])
        return found

    def why_not(self, work: str, server: str) -> str:
        """Why there are no samples."""
        entry = self._entry(work)
        if server in entry.get("failed", {}):
            return f"failed: {entry['failed'][server]}"
        return f"not run: {entry.get('not_run', {}).get(server, 'not in this run')}"

    def failures(self) -> list[str]:
        """A line for each server that did not do its work."""
        return [
            f"{work.name}: {server}: {self.why_not(work.name, server)}"
            for work in self.works()
            for server in self._entry(work.name).get("failed", {})
        ]

    def median(self, work: str, server: str, figure: Callable[[Sample], float]) -> float | None:
        """The median of a figure; None if there are no samples."""
        samples = self.samples(work, server)
        return median(map(figure, samples)) if samples else None

    def costs(self, work: str, server: str) -> list[float]:
        """In each round what is compared: processor time, or memory of an idle connection."""
        figure = COSTS.get(BY_NAME[work].mode, cpu)
        return sorted(figure(sample) for sample in self.samples(work, server))

    def cost(self, work: str, server: str) -> float | None:
        """The median of those."""
        return median(costs) if (costs := self.costs(work, server)) else None

    def ratio(self, work: str, server: str, other: str) -> float | None:
        """A server's cost as a multiple of another's."""
        cost, others = self.cost(work, server), self.cost(work, other)
        return cost / others if cost is not None and others else None

    def startup(self, service: str) -> float | None:
        """Time from start to ready as a multiple of an interpreter's with nothing to do."""
        took = self.data["startup"].get(service)
        return median(took[service]) / median(took["nothing"]) if took else None

    def connections(self) -> int:
        """How many TCP connections the run has made, beside a few to ask who is there."""
        samples = self._all_samples()
        return round(sum(sample["connections"] + sample.get("added", 0) for sample in samples))

    def _all_samples(self) -> Iterator[Sample]:
        for work in self.works():
            if work.mode != "udp":
                for samples in self._entry(work.name)["samples"].values():
                    yield from samples

    def _entry(self, work: str) -> dict[str, Any]:
        entry: dict[str, Any] = self.data["works"].get(work, {})
        return entry

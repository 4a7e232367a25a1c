"""A run: all works one after the other, and what is measured once."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from bench import once
from bench.building import NotBuilt
from bench.machine import machine, versions
from bench.measuring import Bench, measure
from bench.report import work_table
from bench.result import SCHEMA, Result
from bench.works import Work


def whole(bench: Bench, works: Iterable[Work]) -> Result:
    """Measure all there is."""
    result = some(bench, works)
    result.data["startup"] = _or_why_not(lambda: once.startup(bench))
    result.data["images"] = _or_why_not(lambda: once.image_bytes(bench))
    result.data["spread"] = _or_why_not(lambda: once.spread(bench))
    return result


def some(bench: Bench, works: Iterable[Work]) -> Result:
    """Measure some works, and show the table of each as soon as it is there."""
    data: dict[str, Any] = {
        "schema": SCHEMA,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(bench),
        "versions": versions(bench),
        "place": bench.place.title,
        "rounds": bench.rounds,
        "seconds": bench.generator.seconds,
        "works": {},
    }
    result = Result(data)
    for work in works:
        data["works"][work.name] = measure(bench, work)._asdict()
        print(f"{work.title}\n\n{work_table(result, work)}\n", flush=True)
    return result


def _or_why_not(figures: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return figures()
    except NotBuilt as error:
        return {"not_run": str(error)}

"""What a result is held against."""

from collections.abc import Iterator
from typing import NamedTuple

from bench.result import Result
from bench.works import BY_NAME, TITLES

# For each work, what ours may cost as a multiple of another server's cost.
RATIOS = {
    "echo-64x64": {"go": 0.95, "c": 1.15, "uvloop": 0.90, "asyncio": 0.85},
    "echo-1000x512": {"go": 0.95, "c": 1.20, "uvloop": 0.95, "asyncio": 0.85},
    "echo-64x16k": {"go": 0.90, "c": 1.05, "uvloop": 0.90, "asyncio": 0.80},
    "echo-16x64k": {"go": 0.80, "c": 0.90, "uvloop": 0.80, "asyncio": 0.80},
    "daytime": {"go": 1.05, "c": 1.60},
    "udp": {"go": 1.00},
    "idle": {"go": 0.20, "uvloop": 0.60},
}
GROWTH = 1.35
STARTUP = 2.5
IMAGE_MB = 20
LEAST_OF_WORKER = 0.25


class Target(NamedTuple):
    """A bound, and what was seen; `is_met` is None where nothing was."""

    title: str
    bound: str
    seen: str
    is_met: bool | None


def targets(result: Result) -> list[Target]:
    """All targets, those of a part that was not run too."""
    return [
        *_ratios(result),
        _growth(result),
        *_startups(result),
        *_images(result),
        _spread(result),
    ]


def _at_most(title: str, bound: float, seen: float | None, unit: str = "") -> Target:
    digits = 1 if unit else 2
    shown = "–" if seen is None else f"{seen:.{digits}f}{unit}"
    is_met = None if seen is None else round(seen, digits) <= bound
    return Target(title, f"≤ {bound:.{digits}f}{unit}", shown, is_met)


def _ratios(result: Result) -> Iterator[Target]:
    for work, bounds in RATIOS.items():
        for other, bound in bounds.items():
            title = f"{BY_NAME[work].title} ÷ {TITLES[other]}"
            yield _at_most(title, bound, result.ratio(work, "evented", other))


def _growth(result: Result) -> Target:
    many = result.cost("connections-8000", "evented")
    few = result.cost("connections-64", "evented")
    seen = many / few if many and few else None
    return _at_most("processor time per message, 8,000 connections ÷ 64", GROWTH, seen)


def _startups(result: Result) -> Iterator[Target]:
    for service in ("echo", "daytime"):
        title = f"start of {service} to its ready line ÷ `python -c pass`"
        yield _at_most(title, STARTUP, result.startup(service))


def _images(result: Result) -> Iterator[Target]:
    for service in ("echo", "daytime"):
        size = result.data["images"].get(service)
        seen = None if size is None else size / 1e6
        yield _at_most(f"image of {service}, unpacked", IMAGE_MB, seen, " MB")


def _spread(result: Result) -> Target:
    title = "64 connections over two workers, the fewer"
    workers = result.data["spread"].get("workers")
    least = round(64 * LEAST_OF_WORKER)
    if not workers:
        return Target(title, f"≥ {least}", "–", None)
    return Target(title, f"≥ {least}", f"{min(workers)}", min(workers) >= least)

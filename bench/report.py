"""The tables of a result, as Markdown that a terminal shows as well."""

from collections.abc import Iterable, Sequence

from bench.load import Sample
from bench.result import MEBIBYTE, Result
from bench.works import TITLES, Work

Row = Sequence[str]


def table(head: Row, rows: Iterable[Row]) -> str:
    """A Markdown table with its columns aligned: text to the left, figures to the right."""
    cells = [head, *rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]

    def line(row: Row) -> str:
        padded = [row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]
        return "| " + " | ".join(padded) + " |"

    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join([line(head), "| " + " | ".join(rule) + " |", *map(line, cells[1:])])


def figure(value: float | None) -> str:
    """Three digits that count, and thousands apart; a dash for none."""
    if value is None:
        return "–"
    digits = 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:,.{digits}f}"


def ratio(value: float | None) -> str:
    """A ratio; a dash for none."""
    return "–" if value is None else f"{value:.2f}"


def rate(sample: Sample) -> float:
    """Messages a second."""
    return sample["messages"] / sample["seconds"]


def mebibytes_a_second(sample: Sample) -> float:
    """Throughput."""
    return sample["bytes"] / MEBIBYTE / sample["seconds"]


def work_table(result: Result, work: Work) -> str:
    """What each server did with a work."""
    unit = {"bulk": "µs/MiB", "idle": "B/connection", "daytime": "µs/connection"}
    speed = {"bulk": "MiB/s", "daytime": "connections/s"}
    head = [
        "server",
        unit.get(work.mode, "µs/message"),
        *([] if work.mode == "idle" else [speed.get(work.mode, "messages/s")]),
        *([] if work.mode in ("bulk", "idle") else ["p50 µs", "p99 µs"]),
        "resident MiB",
        "÷ Go",
        "÷ C",
    ]
    return table(head, [_row(result, work, name, len(head)) for name in work.servers])


def _row(result: Result, work: Work, server: str, width: int) -> Row:
    samples = result.samples(work.name, server)
    if not samples:
        why = result.why_not(work.name, server) or "not measured"
        return [TITLES[server], why, *[""] * (width - 2)]

    def shown(value: float | None) -> str:
        return figure(value)

    def of(key: str) -> float | None:
        return result.median(work.name, server, lambda sample: sample[key])

    speed = mebibytes_a_second if work.mode == "bulk" else rate
    return [
        TITLES[server],
        shown(result.cost(work.name, server)),
        *([] if work.mode == "idle" else [f"{result.median(work.name, server, speed):,.0f}"]),
        *([] if work.mode in ("bulk", "idle") else [shown(of("p50_us")), shown(of("p99_us"))]),
        figure((of("memory") or 0) / MEBIBYTE),
        ratio(result.ratio(work.name, server, "go")),
        ratio(result.ratio(work.name, server, "c")),
    ]

"""The tables of a result, in Markdown that a terminal can show as well."""

from collections.abc import Iterable, Sequence

from bench.load import Sample
from bench.result import MEBIBYTE, Result
from bench.targets import targets
from bench.works import LADDER, Work

Row = Sequence[str]
VERDICTS = {True: "met", False: "**missed**", None: "not run"}

# What a row's cost and speed are called, where that is not a message's.
UNITS = {
    "daytime": ("µs/connection", "connections/s"),
    "bulk": ("µs/MiB", "MiB/s"),
    "idle": ("B/connection", ""),
}


def table(head: Row, rows: Iterable[Row]) -> str:
    """A Markdown table with its columns in line: text to the left, figures to the right."""
    cells = [head, *rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]

    def line(row: Row) -> str:
        return " | ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])])

    rule = " | ".join(["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])])
    return "\n".join(f"| {text} |" for text in [line(head), rule, *map(line, cells[1:])])


def figure(value: float | None) -> str:
    """A figure in three digits or more, thousands apart; a dash for none."""
    if value is None:
        return "–"
    return f"{value:,.{2 if value < 10 else 1 if value < 100 else 0}f}"


def ratio(value: float | None) -> str:
    """A ratio; a dash for none."""
    return "–" if value is None else f"{value:.2f}"


def work_table(result: Result, work: Work) -> str:
    """What each server did with a work, and below it who did not, and why."""
    cost, speed = UNITS.get(work.mode, ("µs/message", "messages/s"))
    head = ["server", cost, "least–most", speed, "p50 µs", "p99 µs", "MiB", "÷ Go", "÷ C"]
    empty = {"bulk": {"p50 µs", "p99 µs"}, "idle": {"", "p50 µs", "p99 µs"}}.get(work.mode, set())
    keep = [i for i, name in enumerate(head) if name not in empty]
    measured = [name for name in result.servers(work) if result.samples(work.name, name)]
    rows = [_row(result, work, name) for name in measured]
    lines = [table([head[i] for i in keep], [[row[i] for i in keep] for row in rows])]
    for name in result.servers(work):
        if name not in measured:
            lines.append(f"\n{work.server_title(name)}: {result.why_not(work.name, name)}.")
    return "\n".join(lines)


def _row(result: Result, work: Work, server: str) -> Row:
    costs = result.costs(work.name, server)

    def of(key: str) -> float:
        return result.median(work.name, server, lambda sample: sample[key]) or 0

    def speed(sample: Sample) -> float:
        amount = sample["bytes"] / MEBIBYTE if work.mode == "bulk" else sample["messages"]
        return amount / sample["seconds"]

    return [
        work.server_title(server),
        figure(result.cost(work.name, server)),
        f"{figure(costs[0])}–{figure(costs[-1])}",
        f"{result.median(work.name, server, speed):,.0f}",
        figure(of("p50_us")),
        figure(of("p99_us")),
        figure(of("memory") / MEBIBYTE),
        ratio(result.ratio(work.name, server, "go")),
        ratio(result.ratio(work.name, server, "c")),
    ]


def ladder_table(result: Result) -> str:
    """Processor time of a message against the number of connections."""
    works = [work for work in LADDER if work in result.works()]
    servers = result.servers(works[0])
    head = ["connections", *(works[0].server_title(name) for name in servers)]
    costs = [[figure(result.cost(work.name, name)) for name in servers] for work in works]
    return table(head, [[f"{w.connections:,}", *row] for w, row in zip(works, costs, strict=True)])


def profile_table(result: Result) -> str:
    """What of the time per message was the kernel's, and what the server's own."""
    servers = {"evented": "ours", "go": "Go", "c": "C"}
    works = [work for work in result.works() if work.mode in ("echo", "daytime", "udp")]
    works = [work for work in works if work not in LADDER]
    columns = [f"{name}, {part}" for part in ("kernel", "own") for name in servers.values()]
    rows = []
    for work in works:
        parts = [_profile(result, work, server) for server in servers]
        rows.append([work.title, *map(figure, [kernel for kernel, _ in parts])])
        rows[-1] += map(figure, [own for _, own in parts])
    return table(["µs", *columns], rows)


def _profile(result: Result, work: Work, server: str) -> tuple[float | None, float | None]:
    cost = result.cost(work.name, server)
    share = result.median(work.name, server, lambda sample: sample["kernel_share"])
    if cost is None or share is None:
        return None, None
    return cost * share, cost * (1 - share)


def target_table(result: Result) -> str:
    """Each target, what was seen, and whether that meets it."""
    rows = [[t.title, t.bound, t.seen, VERDICTS[t.is_met]] for t in targets(result)]
    return table(["ours, evented", "target", "seen", ""], rows)


def circumstances(result: Result) -> list[str]:
    """A paragraph on machine and versions, and one on how the run was made."""
    machine, versions = result.data["machine"], result.data["versions"]
    shared = machine["server_core"] == machine["load_core"]
    pinned = (
        "server and load generator **share the one core** there is"
        if shared
        else f"server on core {machine['server_core']}, load generator on {machine['load_core']}"
    )
    named = ", ".join(f"{name} {version}" for name, version in versions.items())
    return [
        f"{result.data['date'][:10]}, {machine['processor']}, {machine['cores']} cores, "
        f"{machine['memory_gib']} GiB, {machine['kernel']}; {named}.",
        f"Ours and the peers in Python were served from {result.data['place']}; {pinned}; "
        f"{result.data['rounds']} rounds of {result.data['seconds']:g} s. The run made "
        f"{result.connections():,} TCP connections.",
    ]


def sentence(result: Result) -> str:
    """The result in one sentence."""
    cost, idle = result.cost("echo-64x64", "evented"), result.cost("idle", "evented")
    return (
        f"To echo a message of 64 B costs the default model {figure(cost)} µs of processor time, "
        f"{ratio(result.ratio('echo-64x64', 'evented', 'go'))} of what a goroutine in Go costs "
        f"and {ratio(result.ratio('echo-64x64', 'evented', 'c'))} of what `epoll` in C does; "
        f"an idle connection takes {figure(idle)} bytes, "
        f"{ratio(result.ratio('idle', 'evented', 'go'))} of Go's. "
        "[docs/benchmarks.md](docs/benchmarks.md) has the rest, and `make bench` tries it here."
    )

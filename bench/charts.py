"""The pictures of a result, as SVG that is readable on a light page and on a dark one."""

from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from bench.result import Result
from bench.works import CURVES, LADDER, WORKS

GREY = "#808890"  # of text and lines: as far from white as from black
COLOURS = {"evented": "#d9480f", "go": "#1098ad", "c": "#868e96", "uvloop": "#7048e8"}
STYLE = {
    "svg.hashsalt": "small-services",  # else every run names its parts anew
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": GREY,
    "axes.edgecolor": GREY,
    "axes.labelcolor": GREY,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "legend.frameon": False,
}
MOST = 2.5  # of the axis of ratios; what is more only says so
RATIO_CHART, LADDER_CHART = "benchmarks-ratios.svg", "benchmarks-connections.svg"


def draw(result: Result, directory: Path) -> None:
    """Draw both charts into a directory."""
    with matplotlib.rc_context(STYLE):
        _save(_ratios(result), directory / RATIO_CHART)
        _save(_ladder(result), directory / LADDER_CHART)


def _save(figure: Figure, path: Path) -> None:
    nothing = {"Date": None, "Creator": None}
    figure.savefig(path, transparent=True, bbox_inches="tight", metadata=nothing)


def _ratios(result: Result) -> Figure:
    works = [work for work in WORKS if work not in LADDER and work in result.works()]
    figure = Figure(figsize=(8, 0.75 * len(works) + 1))
    axes = figure.subplots()
    axes.axvline(1, color=GREY, linewidth=1, zorder=0)
    height = 0.8 / len(CURVES[1:])
    for i, other in enumerate(CURVES[1:]):
        ratios = [result.ratio(work.name, "evented", other) or 0 for work in works]
        at = [row + (i - 1) * height for row in range(len(works))]
        title = f"÷ {works[0].server_title(other).partition(',')[0]}"
        shown = [min(value, MOST) for value in ratios]
        bars = axes.barh(at, shown, height, color=COLOURS[other], label=title)
        axes.bar_label(bars, [f"{value:.2f}" if value else "" for value in ratios], padding=3)
    axes.set_yticks(range(len(works)), [work.title for work in works])
    axes.invert_yaxis()
    axes.set_xlim(0, MOST)
    axes.set_xlabel("cost of ours, evented, as a multiple of a peer's; below 1 it is the cheaper")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=len(CURVES) - 1)
    return figure


def _ladder(result: Result) -> Figure:
    figure = Figure(figsize=(8, 4))
    axes: Any = figure.subplots()
    works = [work for work in LADDER if work in result.works()]
    for server in CURVES:
        costs = [result.cost(work.name, server) for work in works]
        points = [(w.connections, cost) for w, cost in zip(works, costs, strict=True) if cost]
        title = works[0].server_title(server).replace("*", "")
        if points:
            axes.plot(*zip(*points, strict=True), "o-", color=COLOURS[server], label=title)
    axes.set_xscale("log")
    axes.set_xticks([work.connections for work in works], [f"{w.connections:,}" for w in works])
    axes.minorticks_off()
    axes.set_ylim(bottom=0)
    axes.set_xlabel("connections, a message of 64 B in flight on each")
    axes.set_ylabel("processor time of the server, µs a message")
    axes.legend()
    return figure

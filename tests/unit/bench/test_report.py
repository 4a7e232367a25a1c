"""The tables of a small result of which every figure is known."""

import json
from pathlib import Path
from typing import Any

import pytest

from bench.documents import NoMarkers, filled, quoted
from bench.report import (
    figure,
    ladder_table,
    profile_table,
    sentence,
    table,
    target_table,
    work_table,
)
from bench.result import NoResult, Result
from bench.works import BY_NAME

MIB = 1 << 20


def sample(cpu_us: float, messages: int = 100, **others: float) -> dict[str, float]:
    """A sample in which the cost of a message is easily seen."""
    rest = {"seconds": 0.5, "bytes": messages * 64, "p50_us": 20.0, "p99_us": 300.0, "lost": 0}
    memory = {"memory_before": 10 * MIB, "memory": 12 * MIB, "connections": 32, "added": 64}
    profile = {"cpu_us": cpu_us, "kernel_share": 0.75}
    return {"messages": messages, **profile, **rest, **memory, **others}


def work(**samples: list[dict[str, float]]) -> dict[str, Any]:
    """What a work came to."""
    return {"samples": samples, "not_run": {}, "failed": {}}


@pytest.fixture
def result() -> Result:
    """Two works and what is measured once; ours costs 6 in the one, 8 and then 40 in the other."""
    echo = work(
        evented=[sample(600), sample(900), sample(500)],
        go=[sample(800), sample(800), sample(900)],
        c=[sample(500), sample(500), sample(500)],
    )
    echo["not_run"]["uvloop"] = "pip: No matching distribution"
    echo["failed"]["asyncio"] = "load: connection 3: wrong bytes"
    idle = work(
        evented=[sample(0, memory=10 * MIB + 64 * 500)], go=[sample(0, memory=10 * MIB + 64 * 4000)]
    )
    return Result(
        {
            "schema": 1,
            "works": {
                "echo-64x64": echo,
                "idle": idle,
                "connections-64": work(evented=[sample(800)]),
                "connections-8000": work(evented=[sample(4000)]),
            },
            "startup": {"echo": {"nothing": [0.02, 0.01, 0.03], "echo": [0.05, 0.04, 0.05]}},
            "images": {"echo": 15_353_648, "daytime": 20_060_000},
            "spread": {"not_run": "echo has no --workers"},
        }
    )


def rows(text: str) -> dict[str, list[str]]:
    """The rows of a table without the blanks, by what is in the first column."""
    found = [line.strip("| ").split("|") for line in text.splitlines() if line.startswith("|")]
    return {row[0].strip(): [cell.strip() for cell in row[1:]] for row in found[2:]}


def test_a_row_has_medians_and_ratios(result: Result) -> None:
    """The cost is the median of the rounds, between their extremes, beside Go's and C's."""
    found = rows(work_table(result, BY_NAME["echo-64x64"]))
    ours = ["6.00", "5.00–9.00", "200", "20.0", "300", "12.0", "0.75", "1.20"]
    assert found["**ours, evented**"] == ours
    assert found["Go, 512 B buffer"][-2:] == ["1.00", "1.60"]
    assert found["C"][-2:] == ["0.62", "1.00"]


def test_memory_of_idle_connections_is_what_they_added(result: Result) -> None:
    """Bytes for each connection, without what the server had before."""
    found = rows(work_table(result, BY_NAME["idle"]))
    assert found["**ours, evented**"] == ["500", "500–500", "10.0", "0.12", "–"]


def test_who_did_not_run_is_told_with_the_reason(result: Result) -> None:
    """A missing package and a failure are lines below the table; nobody else is."""
    lines = work_table(result, BY_NAME["echo-64x64"]).split("\n\n")[1:]
    assert "uvloop: not run: pip: No matching distribution." in "".join(lines)
    assert "asyncio: failed: load: connection 3: wrong bytes." in "".join(lines)
    assert len(lines) == 2
    assert result.failures() == ["echo-64x64: asyncio: failed: load: connection 3: wrong bytes"]


def test_targets_are_met_or_missed(result: Result) -> None:
    """What is within its bound is met, what is beyond it marked, and what is not there not run."""
    found = rows(target_table(result))
    echo = "echo, 64 connections × 64 B"
    assert found[f"{echo} ÷ Go, a goroutine each"] == ["≤ 0.95", "0.75", "met"]
    assert found[f"{echo} ÷ C"] == ["≤ 1.15", "1.20", "**missed**"]
    assert found[f"{echo} ÷ uvloop"] == ["≤ 0.90", "–", "not run"]
    assert found["echo, idle connections ÷ Go, a goroutine each"] == ["≤ 0.20", "0.12", "met"]
    growth = found["processor time per message, 8,000 connections ÷ 64"]
    assert growth == ["≤ 1.35", "5.00", "**missed**"]
    startup = "start of {} to its ready line ÷ `python -c pass`"
    assert found[startup.format("echo")] == ["≤ 2.50", "2.50", "met"]
    assert found[startup.format("daytime")] == ["≤ 2.50", "–", "not run"]
    assert found["image of echo, unpacked"] == ["≤ 20.0 MB", "15.4 MB", "met"]
    assert found["image of daytime, unpacked"] == ["≤ 20.0 MB", "20.1 MB", "**missed**"]
    assert found["64 connections over two workers, the fewer"] == ["≥ 16", "–", "not run"]


@pytest.mark.parametrize(("workers", "verdict"), [([31, 33], "met"), ([1, 63], "**missed**")])
def test_the_spread_is_that_of_the_fewer(result: Result, workers: list[int], verdict: str) -> None:
    """A worker with less than a quarter of the connections misses the target."""
    result.data["spread"] = {"workers": workers}
    found = rows(target_table(result))
    assert found["64 connections over two workers, the fewer"][1:] == [f"{workers[0]}", verdict]


def test_a_step_of_the_ladder_without_a_server_is_a_dash(result: Result) -> None:
    """A row for each number of connections, a column for each server."""
    del result.data["works"]["connections-8000"]["samples"]["evented"]
    assert rows(ladder_table(result)) == {"64": ["8.00"], "8,000": ["–"]}


def test_the_sentence_quotes_the_medians(result: Result) -> None:
    """The README's sentence has the cost, both ratios and the memory of an idle connection."""
    text = sentence(result)
    for quote in ("6.00 µs", "0.75 of what", "1.20 of what", "500 bytes", "0.12 of Go's"):
        assert quote in text


@pytest.mark.parametrize(
    ("value", "text"), [(None, "–"), (5.678, "5.68"), (56.78, "56.8"), (5678.9, "5,679")]
)
def test_figures_have_three_digits(value: float | None, text: str) -> None:
    """No figure claims more than three digits, but thousands are whole."""
    assert figure(value) == text


def test_columns_are_in_line() -> None:
    """A table can be read where nobody renders it."""
    text = table(["a", "bcd"], [["efg", "1"], ["h", "12345"]])
    assert text.splitlines() == [
        "| a   |   bcd |",
        "| --- | ----: |",
        "| efg |     1 |",
        "| h   | 12345 |",
    ]


def test_only_what_is_between_markers_is_written(result: Result) -> None:
    """The rest of a document stays, and writing twice is writing once."""
    text = "before\n\n<!-- bench targets -->\nold\n<!-- end -->\n\nafter\n"
    parts = {"targets": target_table(result)}
    once = filled(text, parts)
    assert once.startswith("before\n\n<!-- bench targets -->\n| ")
    assert once.endswith("|\n<!-- end -->\n\nafter\n")
    assert "old" not in once
    assert filled(once, parts) == once


def test_a_document_without_markers_is_an_error() -> None:
    """Nothing is written to a document that has no place for it."""
    with pytest.raises(NoMarkers):
        filled("no place", {})


def test_a_file_keeps_the_result(
    result: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is written is read again the same, and the newest is the last by date."""
    monkeypatch.setattr("bench.result.RESULTS", tmp_path)
    (tmp_path / "2009-12-31.json").write_text("{}")
    result.data["date"] = "2010-08-29T17:25:19+00:00"
    assert result.write() == tmp_path / "2010-08-29.json"
    assert Result.newest().data == json.loads(json.dumps(result.data))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": 2}'])
def test_a_file_that_is_no_result_is_an_error(text: str, tmp_path: Path) -> None:
    """A torn file and another schema are told in one line."""
    (tmp_path / "bad.json").write_text(text)
    with pytest.raises(NoResult, match=r"bad\.json: [^\n]+$"):
        Result.read(tmp_path / "bad.json")


def test_no_result_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the first run there is nothing to report."""
    monkeypatch.setattr("bench.result.RESULTS", tmp_path)
    with pytest.raises(NoResult, match="no result yet"):
        Result.newest()


def test_a_whole_result_fills_all_that_is_quoted(result: Result) -> None:
    """Each block of the documents has its text."""
    result.data |= {
        "date": "2010-08-29T17:25:19+00:00",
        "machine": {"processor": "one", "cores": 1, "memory_gib": 1, "kernel": "Linux"}
        | {"server_core": 0, "load_core": 0},
        "versions": {"Go": "1"},
        "place": "the local interpreter",
        "rounds": 3,
        "seconds": 0.5,
    }
    parts = quoted(result)
    assert parts.keys() == {
        "sentence",
        "circumstances",
        "targets",
        "works",
        "connections",
        "profile",
    }
    assert all(parts.values())
    assert "**share the one core**" in parts["circumstances"]


def test_the_profile_parts_kernel_and_own(result: Result) -> None:
    """Of each server the cost is told in two parts that add up to it."""
    assert rows(profile_table(result))["echo, 64 connections × 64 B"] == [
        "4.50",
        "6.00",
        "3.75",
        "1.50",
        "2.00",
        "1.25",
    ]

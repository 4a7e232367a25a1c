"""Log lines on a pipe that has no room."""

import json
import os
import resource
import select
from pathlib import Path

import pytest

from runtime import log as log_module
from runtime.log import LEVELS, Log, Sink


def lines_of(descriptor: int) -> list[dict[str, object]]:
    """The JSON lines that a pipe holds now."""
    return [json.loads(line) for line in os.read(descriptor, 1 << 20).splitlines()]


def test_dropped_lines_are_counted_and_told() -> None:
    """Lines without room are dropped; the first line that has room again is preceded by how
    many were.
    """
    reader, writer = os.pipe()
    log = Log("echo", "info", Sink(writer), text=False)
    for number in range(5000):
        log.write("info", "numbered", number=number)
    told = [lines_of(reader)]
    log.write("info", "after")
    told.append(lines_of(reader))
    dropped, after = told[1]
    assert [line["number"] for line in told[0]] == list(range(len(told[0])))
    assert (dropped["event"], dropped["lines"]) == ("lines dropped", 5000 - len(told[0]))
    assert after["event"] == "after"
    os.close(reader)
    os.close(writer)


def test_a_lasting_condition_is_logged_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line for each kind of event, not one for each time it happens."""
    reader, writer = os.pipe()
    log = Log("echo", "info", Sink(writer), text=False)
    for _ in range(3):
        log.write_limited("warning", "full")
        log.write_limited("warning", "empty")
    monkeypatch.setattr(log_module, "LIMIT_S", 0.0)
    log.write_limited("warning", "full")
    assert [line["event"] for line in lines_of(reader)] == ["full", "empty", "full"]
    os.close(reader)
    os.close(writer)


def test_lines_below_the_level_are_not_written() -> None:
    """The level is the least that is written."""
    reader, writer = os.pipe()
    log = Log("echo", "warning", Sink(writer), text=False)
    for level in LEVELS:
        log.write(level, "event")
    assert [line["level"] for line in lines_of(reader)] == ["warning", "error"]
    os.close(reader)
    os.close(writer)


@pytest.mark.fault("a full disk under the log")
def test_a_full_disk_tears_one_line_only(tmp_path: Path) -> None:
    """What a full disk leaves of a line is on a line of its own, and the lost ones are counted."""
    path = tmp_path / "log"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with path.open("wb") as file:
        log = Log("echo", "info", Sink(file.fileno()), text=False)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200, limits[1]))
        try:
            for number in range(3):
                log.write("info", "numbered", number=number)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        log.write("info", "after")
    first, _torn, dropped, after = path.read_text().splitlines()
    assert json.loads(first)["number"] == 0
    assert json.loads(dropped)["lines"] == 2
    assert json.loads(after)["event"] == "after"


@pytest.mark.fault("a log pipe that other writers fill between poll and write")
def test_a_pipe_that_others_fill_meanwhile_takes_no_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe that had room when it was asked may have none any more, for it has other writers too.
    The line is dropped all the same, and those who share the descriptor still wait for room.
    """
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as stream:
        sink = Sink.of(stream)
        monkeypatch.setattr(sink, "_poll", HadRoom())
        while sink.write("x" * 1000):
            pass
        assert os.get_blocking(writer)
    os.close(reader)


class HadRoom:
    """A poll object that found room a moment ago."""

    def poll(self, timeout: int) -> list[tuple[int, int]]:
        """One descriptor, writable."""
        return [(0, select.POLLOUT)]

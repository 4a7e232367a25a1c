"""docs/conformance.md is of the checks that there are, and of services that pass them all."""

import re
from pathlib import Path

import pytest

from broken_servers import BROKEN
from probes.conformance.runner import CHECKS

TEXT = (Path(__file__).parent.parent.parent / "docs/conformance.md").read_text()
MODELS = ["iterative", "threaded", "evented"]


def rows(heading: str) -> list[list[str]]:
    """The table below a heading, as cells: its head, and a row for each check."""
    section = TEXT.partition(f"\n### {heading}\n")[2].partition("\n#")[0]
    cells = [row.split(" | ") for row in re.findall(r"^\| (.*) \|$", section, re.MULTILINE)]
    head, line, *checks = cells
    assert set(line) == {"---"}
    return [head, *checks]


@pytest.mark.parametrize("protocol", CHECKS)
def test_every_check_is_told(protocol: str) -> None:
    """The table has a row for each check, and our services pass them all, under every model."""
    head, *checks = rows(protocol)
    about = [[each.duty, each.transport.name, each.title] for each in CHECKS[protocol]]
    assert [row[:3] for row in checks] == about
    assert head[3:6] == MODELS
    assert {cell for row in checks for cell in row[3:6]} == {"PASS"}


@pytest.mark.parametrize("protocol", CHECKS)
@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_every_broken_server_is_told(protocol: str, transport: str) -> None:
    """The servers that are broken on purpose fail there what they fail in the tests."""
    head, *checks = rows(f"{protocol} over {transport.upper()}, broken on purpose")
    broken = [each for each in BROKEN if (each.protocol, each.transport) == (protocol, transport)]
    assert head[3:] == [each.flaw for each in broken]
    names = {each.title: f"{each.duty} {each.name}" for each in CHECKS[protocol]}
    for column, each in enumerate(broken, 3):
        assert {names[row[2]] for row in checks if row[column] == "FAIL"} == each.fails

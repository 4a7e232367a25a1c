"""The tally of answers by name."""

from __future__ import annotations

from probes.stats.name_counter import MAX_NAMES, NameCounter


def tallied(*names: str) -> NameCounter:
    """A tally of these."""
    tally = NameCounter()
    for name in names:
        tally.add(name)
    return tally


def test_text() -> None:
    """The most frequent come first; those that are not shown are counted together."""
    tally = tallied("web-2", "web-1", "web-1", "web-3")
    assert tally.text() == "web-1 2, web-2 1, web-3 1"
    assert tally.text(1) == "web-1 2 and 2 by others"
    assert tallied().text() == ""


def test_bounded() -> None:
    """Only the first 1,000 names are kept; answers by later ones are counted all the same."""
    names = [f"web-{number}" for number in range(MAX_NAMES + 7)]
    tally = tallied(*names, names[0], names[-1])
    assert (len(tally.names), tally.names[names[0]], tally.others) == (MAX_NAMES, 2, 8)
    assert tally.total == MAX_NAMES + 9
    assert tally.text(1) == f"web-0 2 and {MAX_NAMES + 7} by others"

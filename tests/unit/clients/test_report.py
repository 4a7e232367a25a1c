"""The report: one page that loads nothing, runs nothing, and is bounded."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from probes.core.outcome import Outcome
from probes.watch.history import History
from probes.watch.report import report
from unit.clients.tries import ENDED, tried

HOSTILE = "<script>alert(1)</script>\x1b]0;x\x07\u202e&\"'<svg/onload=x>"
VOID = {"meta"}
KNOWN_TAGS = {
    *("html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "div", "span"),
    *("details", "summary", "table", "tr", "th", "td", "svg", "desc", "line", "rect", "circle"),
}
KNOWN_ATTRIBUTES = {
    *("lang", "charset", "name", "content", "http-equiv", "class", "style", "scope", "role"),
    *("aria-label", "aria-hidden", "x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "r"),
    *("width", "height"),
}
MAX_BYTES = 256 * 1024


class Page(HTMLParser):
    """A page taken apart; every tag must be known, and be closed where it was opened."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.bands = 0
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take an opening tag."""
        assert tag in KNOWN_TAGS, tag
        assert {name for name, _ in attrs} <= KNOWN_ATTRIBUTES, attrs
        self.bands += ("class", "gap") in attrs
        self._open += [] if tag in VOID else [tag]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take a tag that has no content."""
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        """Take a closing tag."""
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Take text."""
        self.texts += [data] if data.strip() else []


def made(journal: History, title: str = "daytime web:1200", **facts: str) -> str:
    """The page on a run."""
    return report(title, facts, journal, ENDED)


def cells(page: str, heading: str) -> list[list[str]]:
    """The rows of the table below a heading, without its head."""
    table = re.split(r"<table[^>]*>|</table>", page.partition(f"<h2>{heading}</h2>")[2])[1]
    rows = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in table.splitlines()[2:]]
    return [row for row in rows if row]


@pytest.fixture
def restarted() -> History:
    """A run in which web-1 goes and web-2 comes."""
    journal = History(1)
    for second in range(10):
        journal.add(second, tried(seconds=0.001, identity="web-1"))
    for second in range(10, 13):
        journal.add(second, tried(Outcome.REFUSED))
    for second in range(13, 20):
        journal.add(second, tried(seconds=0.002, identity="web-2"))
    return journal


def test_restart(restarted: History) -> None:
    """A restart shows: the gap with its length, what came in it, and who answered until when."""
    page = made(restarted)
    assert "17 of 20 tries were as expected; 1 gap, the longest 4.0 s." in Page(page).texts
    assert Page(page).bands == 1
    ((began, ended, lasted, between),) = cells(page, "Gaps")
    assert (began[-4:], ended[-4:], lasted, between) == ("34.5", "38.5", "4.0", "REFUSED 3")
    assert cells(page, "Outcomes") == [
        ["OK", "yes", "17", "85.00"],
        ["REFUSED", "no", "3", "15.00"],
    ]
    answers = cells(page, "Who answered")
    assert [(row[:2], row[2][-4:], row[3][-4:]) for row in answers] == [
        (["web-1", "10"], "25.5", "34.5"),
        (["web-2", "7"], "38.5", "44.5"),
    ]


def test_facts(restarted: History) -> None:
    """It says what was tried, how, and from when to when, with the distance from UTC."""
    page = Page(made(restarted, interval="1 s"))
    assert page.texts.count("daytime web:1200") == 2
    after = page.texts.index("interval")
    assert page.texts[after + 1] == "1 s"
    dates = [text for text in page.texts if re.fullmatch(r"[-0-9]{10} [:0-9]{8} [+-]\d{4}", text)]
    assert len(dates) == 2
    assert page.texts[page.texts.index("lasted") + 1] == "19.0 s"


def test_nothing_good_before() -> None:
    """A gap at the beginning has no good try before it."""
    journal = History(1)
    journal.add(1, tried(Outcome.RESET))
    journal.add(2, tried())
    ((began, _, lasted, _),) = cells(made(journal), "Gaps")
    assert (began, lasted) == ("none before", "2.0")


def test_expected_failures() -> None:
    """Where what was expected is not OK, it says that there is nothing to see of it."""
    journal = History(1)
    journal.add(0, tried(Outcome.REFUSED, expected=(Outcome.REFUSED,)))
    assert "What was expected but not OK has neither dot nor mark." in made(journal)
    assert "neither dot nor mark" not in made(History(1))


def test_unfinished_gap() -> None:
    """A gap that is not over when the run ends says so."""
    journal = History(1)
    journal.add(0, tried())
    journal.add(2, tried(Outcome.RESET))
    ((_, ended, lasted, _),) = cells(made(journal), "Gaps")
    assert (ended, lasted) == ("not over", "2.0")


def test_nothing_happened() -> None:
    """A run without a try has a page, too: Ctrl-C may come first."""
    assert "0 of 0 tries were as expected." in Page(made(History(1))).texts


def test_hostile_names() -> None:
    """H10: what a peer sends can neither be run, nor drive a terminal, nor reorder the text."""
    journal = History(1)
    journal.add(0, tried(identity=HOSTILE))
    page = made(journal, HOSTILE, fact=HOSTILE)
    taken_apart = Page(page)
    escaped = "<script>alert(1)</script>\\x1b]0;x\\x07\\u202e&\"'<svg/onload=x>"
    assert taken_apart.texts.count(escaped) == 4
    assert re.fullmatch(r"[\n -~]*", page)


def test_nothing_is_loaded(restarted: History) -> None:
    """There is no address in the page, and its policy forbids to fetch or run anything."""
    page = made(restarted)
    assert re.search(r"https?:|//|url\(|@import|javascript:", page) is None
    assert "content=\"default-src 'none'; style-src 'unsafe-inline'\"" in page
    assert 'name="viewport" content="width=device-width, initial-scale=1"' in page
    assert "prefers-color-scheme: dark" in page


def test_bounded() -> None:
    """However long the run, and whatever peers call themselves, a page has 256 KiB at most."""
    journal = History(0.25)
    for second in range(20_000):
        journal.add(second, tried(seconds=1e-6 * 1.001**second, identity=f"{second:04}" + '"' * 60))
        if second % 9 == 0:
            journal.add(second, tried(Outcome.TIMEOUT))
    page = made(journal)
    assert len(page) <= MAX_BYTES
    assert len(cells(page, "Gaps")) == len(cells(page, "Who answered")) == 100
    assert "Left out: 19900 answers by others." in Page(page).texts
    assert Page(page).bands == 100

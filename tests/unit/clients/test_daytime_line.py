"""Reading daytime's line: three forms, strict and without a locale, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.protocols.daytime_line import MONTHS, WEEKDAYS, Reading, parse_line

MOMENT = datetime(2010, 8, 29, 17, 25, 19)


def hours(count: float) -> timezone:
    """A zone that many hours ahead of UTC."""
    return timezone(timedelta(hours=count))


@pytest.mark.parametrize(
    ("line", "time"),
    [
        ("Sun Aug 29 17:25:19 EST 2010", MOMENT),
        ("Sun Aug 29 17:25:19 UTC 2010", MOMENT.replace(tzinfo=UTC)),
        ("Sun Aug 29 17:25:19 GMT 2010", MOMENT.replace(tzinfo=UTC)),
        ("Sun Aug 29 17:25:19 +03 2010", MOMENT.replace(tzinfo=hours(3))),
        ("Sun Aug 29 17:25:19 -0330 2010", MOMENT.replace(tzinfo=hours(-3.5))),
        ("Sun Aug 29 17:25:19 +99 2010", MOMENT),
        ("Mon Aug  9 00:00:00 UTC 2010", datetime(2010, 8, 9, tzinfo=UTC)),
        ("Sunday, August 29, 2010 17:25:19-EST", MOMENT),
        ("Sunday, August 29, 2010 17:25:19-UTC", MOMENT.replace(tzinfo=UTC)),
        ("Sunday, August 29, 2010 17:25:19-+03", MOMENT.replace(tzinfo=hours(3))),
        ("Sunday, August 29, 2010 17:25:19--0330", MOMENT.replace(tzinfo=hours(-3.5))),
        ("Monday, August 9, 2010 00:00:00-GMT", datetime(2010, 8, 9, tzinfo=UTC)),
        ("Monday, February 22, 1982 17:37:43-PST", datetime(1982, 2, 22, 17, 37, 43)),
        ("2010-08-29T17:25:19-05:00", MOMENT.replace(tzinfo=hours(-5))),
        ("2010-08-29T17:25:19+00:00", MOMENT.replace(tzinfo=UTC)),
        ("2010-08-29T17:25:19Z", MOMENT.replace(tzinfo=UTC)),
        ("Sat Dec 31 23:59:60 UTC 2016", datetime(2017, 1, 1, tzinfo=UTC)),
        ("2016-12-31T23:59:60Z", datetime(2017, 1, 1, tzinfo=UTC)),
    ],
)
@pytest.mark.parametrize("identity", [None, "web-7f9c", "1", "2010", "!~", "x" * 64])
def test_line(line: str, time: datetime, identity: str | None) -> None:
    """D5, D6: each form gives its time, aware where the zone tells; a host token may follow."""
    reading = parse_line(line if identity is None else f"{line} {identity}")
    assert reading == Reading(time, identity)
    assert reading.time.tzinfo == time.tzinfo


@pytest.mark.parametrize(
    "line",
    [
        "",
        "hello",
        "Sun Aug 29 17:25:19 2010",
        "Sun Aug 29 17:25:19 2010 web1",
        "Sun Aug 29 17:25:19 2010 2004",
        "Sun Aug 29 17:25:19 E5T 2010",
        "sun aug 29 17:25:19 EST 2010",
        "Mon Aug 9 17:25:19 EST 2010",
        "Sun Aug 29 17:25:19 EST 10",
        "Sun Aug 29 17:25:19 EST 2010 ",
        "Sun Aug 29 17:25:19 EST 2010 two words",
        "Sun Aug 29 17:25:19 EST 2010  web",
        "Sun Aug 29 17:25:19 EST 2010 " + "x" * 65,
        "Sun Aug 29 17:25:19 EST 2010\n",
        "Sun Aug 29 17:25:19 EST 2010 w\x1b[2J",
        "Sun Aug 29 17:25:19 EST 2010 \u00e9",
        " Sun Aug 29 17:25:19 EST 2010",
        "Son Aug 29 17:25:19 EST 2010",
        "Sun Auj 29 17:25:19 EST 2010",
        "Sunday Aug 29 17:25:19 EST 2010",
        "Sun, August 29, 2010 17:25:19-EST",
        "Monday, August 09, 2010 17:25:19-EST",
        "Sunday, August 29, 2010 17:25:19 EST",
        "Sunday, August 29, 2010 17:25:19-",
        "2010-08-29 17:25:19-05:00",
        "2010-08-29T17:25:19",
        "2010-08-29T17:25:19-0500",
        "2010-08-29T17:25:19.5-05:00",
        "2010-8-29T17:25:19-05:00",
        "2010-08-29T17:25:19EST",
        "Sun Aug 29 17:25:\u0661\u0669 EST 2010",
    ],
    ids=ascii,
)
def test_other_form(line: str) -> None:
    """D6: a line in any other form is not read."""
    assert parse_line(line) is None


@pytest.mark.parametrize(
    "line",
    [
        "Mon Aug 29 17:25:19 UTC 2010",
        "Monday, August 29, 2010 17:25:19-UTC",
        "Tuesday, February 22, 1982 17:37:43-PST",  # RFC 867's own example: it was a Monday
        "Wed Feb 29 00:00:00 UTC 2010",
        "Sun Aug 29 24:00:00 UTC 2010",
        "Sun Aug 29 17:60:00 UTC 2010",
        "Sun Aug 29 17:25:61 UTC 2010",
        "Sun Aug 39 17:25:19 UTC 2010",
        "Sun Aug 29 17:25:19 UTC 0000",
        "2010-02-29T00:00:00Z",
        "2010-00-10T00:00:00Z",
        "2010-13-10T00:00:00Z",
        "2010-08-00T00:00:00Z",
    ],
)
def test_impossible_time(line: str) -> None:
    """D6: a time that cannot be, or a weekday that is not that date's, tells nothing."""
    assert parse_line(line) is None


@pytest.mark.parametrize("offset", ["+24:00", "-99:99", "+05:60"])
def test_impossible_offset(offset: str) -> None:
    """D6: of an offset that cannot be only the skew is lost."""
    assert parse_line(f"2010-08-29T17:25:19{offset}") == Reading(MOMENT, None)


LINE_LIKE = st.from_regex(
    r"\A(Sun|Mon)(day,)? (Aug|August) [0-9 ]{1,2},?( [0-9]{4})? [0-9]{2}:[0-9]{2}:[0-9]{2}[ -]"
    r"(UTC|EST|[+-][0-9]{2,6})( [0-9]{4})?( [!-~]+)?\Z"
) | st.from_regex(
    r"\A[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9](:[0-9]{2}){2}[+-][0-9]{2}:[0-9]{2}\Z"
)


@given(st.text() | LINE_LIKE, st.floats(-1e12, 1e12), st.floats(0, 1e6))
def test_reading_or_none(line: str, earliest: float, took: float) -> None:
    """D6: any text is a reading or none, and never an error, its skew included."""
    reading = parse_line(line)
    if reading and (skew := reading.skew_s(earliest, earliest + took)) is not None:
        assert isinstance(skew, int)


def spell(time: datetime, zone: str) -> list[str]:
    """A time in all three forms, spelled without the parser's help."""
    weekday, month = WEEKDAYS[time.weekday()], MONTHS[time.month - 1]
    clock, year = time.time().isoformat(), f"{time.year:04}"
    return [
        f"{weekday[:3]} {month[:3]} {time.day:2} {clock} {zone} {year}",
        f"{weekday}, {month} {time.day}, {year} {clock}-{zone}",
        f"{year}-{time.month:02}-{time.day:02}T{clock}{zone[:3]}:{zone[3:]}",
    ]


@given(
    st.datetimes(),
    st.timedeltas(timedelta(hours=-23, minutes=-59), timedelta(hours=23, minutes=59)),
    st.none() | st.from_regex(r"[!-~]{1,64}", fullmatch=True),
)
def test_every_instant(time: datetime, offset: timedelta, identity: str | None) -> None:
    """D5, D6: any instant in any zone comes back from all forms, with its identity."""
    time = time.replace(microsecond=0)
    minutes = round(offset.total_seconds() / 60)
    zone = f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}{abs(minutes) % 60:02}"
    time = time.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    for line in spell(time.replace(tzinfo=None), zone):
        reading = parse_line(line if identity is None else f"{line} {identity}")
        assert reading == Reading(time, identity)
        assert reading.time.utcoffset() == time.utcoffset()
        assert reading.skew_s(time.timestamp(), time.timestamp()) == 0


@pytest.mark.parametrize(
    ("earliest", "latest", "skew_s"),
    [
        (100.0, 100.0, 0),
        (100.999, 100.999, 0),
        (99.5, 100.0, 0),
        (100.9, 101.1, 0),
        (40.0, 160.0, 0),
        (99.0, 99.9, 1),
        (101.0, 101.5, -1),
        (95.2, 95.3, 5),
        (105.2, 105.3, -5),
        (95.2, 98.3, 2),
        (105.2, 108.3, -5),
        (-0.5, -0.5, 101),
    ],
)
def test_skew(earliest: float, latest: float, skew_s: int) -> None:
    """D6: 0 when the line's second is one of ours, else how far it is ahead of the nearest."""
    reading = Reading(datetime.fromtimestamp(100, UTC), None)
    assert reading.skew_s(earliest, latest) == skew_s


@pytest.mark.parametrize("zone", ["EST", "IST", "CST", "BST", "CET", "utc", "+99", "+053000"])
def test_no_skew(zone: str) -> None:
    """D6: where the zone does not tell its offset, nothing is guessed."""
    reading = parse_line(f"Sun Aug 29 17:25:19 {zone} 2010 web-1")
    assert reading == Reading(MOMENT, "web-1")
    assert reading.skew_s(0, 1) is None

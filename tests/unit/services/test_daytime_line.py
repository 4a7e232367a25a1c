"""The daytime line (RFC 867): any instant, any zone, no locale."""

import locale
import re
import zoneinfo
from datetime import UTC, datetime, timedelta, timezone, tzinfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daytime.protocol import FORMS, daytime_line, unix_form

EST = timezone(timedelta(hours=-5), "EST")


def test_the_classic_form() -> None:
    """D4: the default is the classic Unix form, ended by CRLF."""
    line = daytime_line(unix_form(datetime(2010, 8, 29, 17, 25, 19, tzinfo=EST)))
    assert line == b"Sun Aug 29 17:25:19 EST 2010\r\n"


def test_the_day_is_padded_with_a_space() -> None:
    """D4: as `date` has it, a one-digit day takes two places."""
    assert (
        daytime_line(unix_form(datetime(2026, 3, 1, tzinfo=UTC)))
        == b"Sun Mar  1 00:00:00 UTC 2026\r\n"
    )


@pytest.mark.parametrize(
    ("instant", "zone", "line"),
    [
        ("2024-02-29T23:59:59+00:00", "UTC", b"Thu Feb 29 23:59:59 UTC 2024\r\n"),
        ("2026-03-29T00:59:59+00:00", "Europe/Berlin", b"Sun Mar 29 01:59:59 CET 2026\r\n"),
        ("2026-03-29T01:00:00+00:00", "Europe/Berlin", b"Sun Mar 29 03:00:00 CEST 2026\r\n"),
        ("2026-11-01T05:59:59+00:00", "America/New_York", b"Sun Nov  1 01:59:59 EDT 2026\r\n"),
        ("2026-11-01T06:00:00+00:00", "America/New_York", b"Sun Nov  1 01:00:00 EST 2026\r\n"),
        ("2026-01-01T00:00:00+00:00", "America/Sao_Paulo", b"Wed Dec 31 21:00:00 -03 2025\r\n"),
    ],
)
def test_edges_of_the_calendar(instant: str, zone: str, line: bytes) -> None:
    """D4: leap day, both changes of the clock, and a zone whose abbreviation is a number."""
    there = datetime.fromisoformat(instant).astimezone(zoneinfo.ZoneInfo(zone))
    assert daytime_line(unix_form(there)) == line


@pytest.mark.parametrize(
    ("form", "zone", "line"),
    [
        ("unix", EST, b"Sun Aug 29 17:25:19 EST 2010\r\n"),
        ("rfc867", EST, b"Sunday, August 29, 2010 17:25:19-EST\r\n"),
        ("iso", EST, b"2010-08-29T17:25:19-05:00\r\n"),
        ("unix", zoneinfo.ZoneInfo("Etc/GMT-3"), b"Sun Aug 29 17:25:19 +03 2010\r\n"),
        ("rfc867", zoneinfo.ZoneInfo("Etc/GMT-3"), b"Sunday, August 29, 2010 17:25:19-+03\r\n"),
        ("iso", zoneinfo.ZoneInfo("Etc/GMT-3"), b"2010-08-29T17:25:19+03:00\r\n"),
    ],
)
def test_the_forms(form: str, zone: tzinfo, line: bytes) -> None:
    """D4: three forms of one instant; a zone whose abbreviation is a number stays ASCII."""
    instant = datetime(2010, 8, 29, 17, 25, 19, tzinfo=zone)
    assert daytime_line(FORMS[form](instant)) == line


def test_the_identity_is_one_more_token() -> None:
    """D5: who tells the time stands at the end of the line."""
    assert daytime_line("2010-08-29T17:25:19Z", "web-1") == b"2010-08-29T17:25:19Z web-1\r\n"


@given(st.datetimes(timezones=st.timezones()), st.sampled_from(sorted(FORMS)))
def test_any_form_is_one_line_of_ascii(instant: datetime, form: str) -> None:
    """D4: printable ASCII and one CRLF at its end, in every form."""
    assert re.fullmatch(rb"[ -~]+\r\n", daytime_line(FORMS[form](instant)))


@given(st.datetimes(timezones=st.timezones()))
def test_any_instant_in_any_zone_is_one_line_of_ascii(instant: datetime) -> None:
    """D4: printable ASCII and one CRLF at its end, whatever the time and the zone."""
    line = daytime_line(unix_form(instant))
    assert re.fullmatch(rb"[A-Z][a-z]{2} [A-Z][a-z]{2} [ 123]\d [\d:]{8} [!-~]+ \d{4}\r\n", line)


@given(st.datetimes(min_value=datetime(1900, 1, 1), timezones=st.just(UTC)))
def test_the_line_says_the_instant(instant: datetime) -> None:
    """D4: reading the line back gives the instant, to the second."""
    assert locale.setlocale(locale.LC_TIME) == "C"
    line = daytime_line(unix_form(instant)).decode().rstrip("\r\n")
    parsed = datetime.strptime(line, "%a %b %d %H:%M:%S UTC %Y")
    assert parsed == instant.replace(microsecond=0, tzinfo=None)

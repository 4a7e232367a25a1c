"""Time zones of daytime: names, and all that TZ may hold."""

import os
import struct
import time
import zoneinfo
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from daytime.protocol import FORMS, daytime_line, unix_form
from daytime.zones import local_time, named_zone, tz_zone
from runtime import log

WINTER, SUMMER = 1767225600, 1783000000  # 2026-01-01 00:00:00 and 2026-07-02 13:46:40 UTC
BERLIN = ("CET", "01:00:00", "CEST", "15:46:40")
SAME = ("UTC", "00:00:00", "UTC", "13:46:40")
TOKYO_FILES = [str(file) for path in zoneinfo.TZPATH if (file := Path(path, "Asia/Tokyo")).exists()]


def shown(text: str) -> tuple[str, str, str, str]:
    """Name and clock of a value of TZ in winter and in summer."""
    zone = tz_zone(text)
    winter, summer = (unix_form(local_time(now, zone)).split() for now in (WINTER, SUMMER))
    return winter[4], winter[3], summer[4], summer[3]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Europe/Berlin", BERLIN),
        (":Europe/Berlin", BERLIN),
        ("right/Europe/Berlin", BERLIN),
        ("CET-1CEST,M3.5.0,M10.5.0/3", BERLIN),
        (":CET-1CEST-2,J88/2:00:00,J298/3", BERLIN),
        ("UTC", SAME),
        ("UTC0", SAME),
        (":", SAME),
        ("<+03>-3", ("+03", "03:00:00", "+03", "16:46:40")),
        ("<-00>0", ("-00", "00:00:00", "-00", "13:46:40")),
        ("NZST-12NZDT,M9.5.0,M4.1.0/3", ("NZDT", "13:00:00", "NZST", "01:46:40")),
        ("EST5EDT", ("EST", "19:00:00", "EDT", "09:46:40")),
        ("XST5XDT", ("XST", "19:00:00", "XDT", "09:46:40")),
        ("LMT-0:53:28", ("LMT", "00:53:28", "LMT", "14:40:08")),
    ],
)
def test_tz_holds_names_and_rules(text: str, expected: tuple[str, str, str, str]) -> None:
    """TZ is a zone name or a POSIX rule, with or without a colon."""
    assert shown(text) == expected


@pytest.mark.parametrize("colon", ["", ":"])
def test_tz_holds_paths(colon: str) -> None:
    """TZ may be the path of a zone's file."""
    if not TOKYO_FILES:
        pytest.skip("no time zone database in files")
    assert shown(colon + TOKYO_FILES[0]) == ("JST", "09:00:00", "JST", "22:46:40")


@pytest.mark.parametrize(
    "text",
    [
        *("Bogus", "Bogus/Zone", ":Bogus", "CET-1CEST,", "CET-1CEST,M3.5.0", "CET-1CEST,M13.1.0,1"),
        *(
            "UTC0 garbage",
            "UTC24",
            "UTC-99",
            "AB0",
            "A B0",
            "<>0",
            "<a b>0",
            "CET-1,M3.5.0,M10.5.0",
        ),
        *("UTC\uff10", "::UTC", "../UTC", "/", "/dev/zero", "/nonexistent", "/etc/passwd", "\0"),
        *("U" * 5000, "UTC" + "0" * 5000, "Europe", "UTC0\n", "\udcff"),
    ],
)
def test_what_is_no_zone(text: str) -> None:
    """Nothing else is a zone: the C library would take it for UTC without a word."""
    with pytest.raises(ValueError, match="must be"):
        tz_zone(text)


def test_a_path_to_no_file_does_not_wait(tmp_path: Path) -> None:
    """A FIFO without a writer, a directory and half a file are no zones."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "half").write_bytes(tzif(0)[:60])
    for path in (tmp_path, tmp_path / "fifo", tmp_path / "half"):
        with pytest.raises(ValueError, match="TZif"):
            tz_zone(str(path))


@pytest.fixture
def no_database() -> Iterator[None]:
    """A system without a time zone database."""
    before = zoneinfo.TZPATH
    zoneinfo.reset_tzpath(to=[])
    zoneinfo.ZoneInfo.clear_cache()
    yield
    zoneinfo.reset_tzpath(to=before)


@pytest.mark.usefixtures("no_database")
def test_without_a_database() -> None:
    """UTC and rules need no database; a name says that there is none."""
    if zoneinfo.available_timezones():
        pytest.skip("the package tzdata is installed")
    assert named_zone("UTC") == tz_zone(":Etc/UTC") == UTC
    assert shown("CET-1CEST,M3.5.0,M10.5.0/3") == BERLIN
    for read in (named_zone, tz_zone):
        with pytest.raises(ValueError, match="there is no time zone database"):
            read("Europe/Berlin")


def tzif(
    leap_seconds: int = 0, name: bytes = b"UTC", offset_s: int = 0, footer: bytes = b""
) -> bytes:
    """Return the file of a zone of one type, perhaps with leap seconds (RFC 9636 section 3)."""
    count = 1 if leap_seconds else 0
    head = struct.pack(">4sc15x6L", b"TZif", b"2", 0, 0, count, 0, 1, 4)
    zone = struct.pack(">lBB4s", offset_s, 0, 0, name)
    leaps = [struct.pack(f">{kind}l", 78796800, leap_seconds) * count for kind in "lq"]
    return b"".join(head + zone + each for each in leaps) + b"\n" + footer + b"\n"


@pytest.fixture
def leap_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A C library that subtracts 27 leap seconds, as under TZ=right/UTC; the value of TZ."""
    (tmp_path / "right").write_bytes(tzif(27))
    monkeypatch.setenv("TZ", f":{tmp_path / 'right'}")
    time.tzset()
    yield os.environ["TZ"]
    monkeypatch.undo()
    time.tzset()


@pytest.mark.fault("TZ is a zone that counts leap seconds (right/UTC)")
def test_the_clock_has_no_leap_seconds(leap_seconds: str) -> None:
    """Neither the log nor daytime's line is behind where the C library is."""
    assert time.gmtime(WINTER).tm_sec == 33
    assert unix_form(local_time(WINTER, tz_zone(leap_seconds))) == "Thu Jan  1 00:00:00 UTC 2026"
    said = datetime.fromisoformat(log._now())
    now = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=time.time())
    assert timedelta(0) <= now - said < timedelta(seconds=10)


@pytest.mark.fault("a time zone file whose names are no ASCII tokens")
@pytest.mark.parametrize("form", FORMS)
def test_a_name_in_a_file_forges_no_line(tmp_path: Path, form: str) -> None:
    """D4: the line stays printable ASCII, and the name one token, whatever a file holds."""
    (tmp_path / "zone").write_bytes(tzif(0, b"\r\n "))
    line = daytime_line(FORMS[form](local_time(WINTER, tz_zone(str(tmp_path / "zone")))))
    assert line.removesuffix(b"\r\n").decode("ascii").isprintable()
    assert line.count(b"\r\n") == 1


UNUSABLE = {
    "25 hours": tzif(offset_s=25 * 3600),
    "24 hours in the footer": tzif(footer=b"AAA24"),
    "cut in the first head": tzif()[:20],
    "cut in the second head": tzif()[:60],
    "cut in the second body": tzif()[:100],
    "without footer": tzif()[:-2],
}


@pytest.mark.fault("a time zone file that is damaged, or has an offset of 24 hours and more")
@pytest.mark.parametrize("content", UNUSABLE.values(), ids=UNUSABLE)
def test_an_unusable_file_is_refused(content: bytes, tmp_path: Path) -> None:
    """A zone whose file cannot be used for every line of a year is refused at the start."""
    (tmp_path / "Zone").write_bytes(content)
    with pytest.raises(ValueError, match="must be"):
        tz_zone(str(tmp_path / "Zone"))
    zoneinfo.reset_tzpath([tmp_path])
    try:
        with pytest.raises(ValueError, match="must be"):
            named_zone("Zone")
    finally:
        zoneinfo.reset_tzpath()

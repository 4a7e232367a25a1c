"""Time zones: names of the IANA database, and all that the variable TZ may hold."""

import os
import re
import struct
from datetime import UTC, datetime, timedelta, tzinfo
from io import BytesIO
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

# A sanity bound: the largest file of the database has 4 KB, and 35 KB with leap seconds.
MAX_FILE_BYTES = 1024 * 1024

# These need no database.
_UTC = {"UTC", "Etc/UTC"}

# The beginning of a POSIX rule, by which it cannot be mistaken for a name: zone names of three
# letters, and an offset. Of 23 hours and more neither datetime nor RFC 3339 knows.
_OFFSET = r"[-+]?(?:0?[0-9]|1[0-9]|2[0-2])(?::[0-5][0-9]){0,2}"
_NAME = r"(?:[A-Za-z]{3,}|<[A-Za-z0-9+-]{3,}>)"
_RULE = re.compile(rf"{_NAME}{_OFFSET}(?:(?P<summer>{_NAME})(?:{_OFFSET})?)?(?:,[0-9MJ.,:/+-]+)?")

# When summer time is, if a rule does not say so: what glibc, musl and tzcode take.
_DEFAULT_SUMMER = ",M3.2.0,M11.1.0"

# The one zone type that a TZif file must have (RFC 9636 section 3): UTC, no transition.
_TZIF = struct.pack(">4sc15x6L", b"TZif", b"2", 0, 0, 0, 0, 1, 4) + b"\0\0\0\0\0\0UTC\0"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# What a TZif file that is damaged raises.
_DAMAGED = (OSError, ValueError, EOFError, IndexError, AssertionError, struct.error)


def named_zone(text: str) -> tzinfo:
    """Return a zone of the IANA time zone database. Raises ValueError."""
    if text in _UTC:
        return UTC
    try:
        # right/ counts leap seconds, which the system clock does not (clock_gettime(2)).
        return _checked(ZoneInfo(text.removeprefix("right/")))
    except (ZoneInfoNotFoundError, *_DAMAGED):
        if not available_timezones():
            raise ValueError(
                "there is no time zone database: install the package tzdata, or write UTC"
            ) from None
        raise ValueError(
            "must be a zone of the IANA time zone database, such as Europe/Berlin"
        ) from None


def tz_zone(text: str) -> tzinfo:
    """Return the zone that a value of TZ means (POSIX.1 section 8.3). Raises ValueError.

    That is a name, a path, or a rule; a colon may stand before each of them.
    """
    text = text.removeprefix(":")
    if not text:
        return UTC
    if text.startswith("/"):
        return _zone_of_file(text)
    rule = _RULE.fullmatch(text)
    return _zone_of_rule(rule) if rule else named_zone(text)


def local_time(now: int, zone: tzinfo) -> datetime:
    """Return the time in a zone, `now` in seconds since the epoch.

    `datetime.fromtimestamp` would ask the C library, which subtracts leap seconds if TZ or
    /etc/localtime is a zone below right/.
    """
    return (_EPOCH + timedelta(seconds=now)).astimezone(zone)


def _checked(zone: ZoneInfo) -> ZoneInfo:
    """Return a zone whose offsets are below 24 hours for a year. Raises ValueError.

    A file may hold any offset. datetime refuses larger ones, but only when a line is made.
    """
    now = datetime.now(UTC)
    for day in range(366):
        (now + timedelta(days=day)).astimezone(zone).utcoffset()
    return zone


def _zone_of_rule(rule: re.Match[str]) -> tzinfo:
    text = rule[0]
    if rule["summer"] and "," not in text:
        text += _DEFAULT_SUMMER
    try:
        # A TZif file ends in such a rule, so zoneinfo reads it.
        return ZoneInfo.from_file(BytesIO(_TZIF * 2 + f"\n{text}\n".encode()))
    except ValueError:
        raise ValueError(
            "must be a POSIX rule such as CET-1CEST,M3.5.0,M10.5.0/3, or a zone name"
        ) from None


def _zone_of_file(path: str) -> tzinfo:
    try:
        # O_NONBLOCK, since the path may lead to a FIFO that has no writer.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY), "rb") as file:
            return _checked(ZoneInfo.from_file(BytesIO(file.read(MAX_FILE_BYTES))))
    except _DAMAGED:
        raise ValueError("must be the path of a readable TZif file (tzfile(5))") from None

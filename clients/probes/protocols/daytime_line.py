"""What can be read from a daytime line: the time, and who answered. Pure.

RFC 867 fixes no syntax, so any line is a good answer, and one in none of these three forms is just
not read:

    Sun Aug 29 17:25:19 EST 2010            the classic Unix form, date(1)
    Sunday, August 29, 2010 17:25:19-EST    the first that RFC 867 gives as popular
    2010-08-29T17:25:19-05:00               RFC 3339

A host token may follow, which is how servers behind one address tell themselves apart.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo

# Names are spelled out because strptime would take them from the locale.
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
SHORT = 3
# RFC 3339 section 5.7: in the last minute of a UTC day, and zones are quarters of an hour apart.
# To a clock that counts none it is the next second.
LEAP_SECOND, LEAP_MINUTE = 60, 14
MAX_IDENTITY_CHARS = 64


def _any_of(names: tuple[str, ...], length: int | None = None) -> str:
    return "|".join(name[:length] for name in names)


# The zone database has abbreviations of letters, and numeric ones for zones nobody has named.
ZONE = r"(?P<zone>[A-Za-z]+|[+-][0-9]+)"
TIME = r"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"
YEAR = r"(?P<year>[0-9]{4})"
IDENTITY = rf"(?: (?P<identity>[!-~]{{1,{MAX_IDENTITY_CHARS}}}))?"
FORMS = (
    re.compile(
        rf"(?P<weekday>{_any_of(WEEKDAYS, SHORT)}) (?P<month>{_any_of(MONTHS, SHORT)})"
        rf" (?P<day> [1-9]|[1-3][0-9]) {TIME} {ZONE} {YEAR}{IDENTITY}"
    ),
    re.compile(
        rf"(?P<weekday>{_any_of(WEEKDAYS)}), (?P<month>{_any_of(MONTHS)})"
        rf" (?P<day>[1-9]|[1-3][0-9]), {YEAR} {TIME}-{ZONE}{IDENTITY}"
    ),
    re.compile(
        rf"{YEAR}-(?P<month>[0-9]{{2}})-(?P<day>[0-9]{{2}})T{TIME}"
        rf"(?P<zone>Z|[+-][0-9]{{2}}:[0-9]{{2}}){IDENTITY}"
    ),
)

# Other names are no help: EST is five hours behind in New York and was ten ahead in Sydney, and
# CST, IST and BST are no better. A wrong guess would look like a clock that is hours off.
ZEROS = ("UTC", "GMT", "Z")
OFFSET = re.compile(r"([+-])([01][0-9]|2[0-3]):?([0-5][0-9])?")


@dataclass(frozen=True)
class Reading:
    """What a line says. `time` is aware only where its zone tells how far it is from UTC."""

    time: datetime
    identity: str | None

    def skew_s(self, earliest: float, latest: float) -> int | None:
        """Seconds by which the clock that was read is ahead of ours; None where nobody can tell.

        The line was written between these two moments of our clock. It has whole seconds only, so
        it is compared with those that we saw: 0 when it is one of them, else from the nearest.
        """
        if self.time.tzinfo is None:
            return None
        second = int(self.time.timestamp())
        return second - min(max(second, math.floor(earliest)), math.floor(latest))


def parse_line(line: str) -> Reading | None:
    """What `line` says, or None when it has another form or names a time that cannot be."""
    for form in FORMS:
        if match := form.fullmatch(line):
            return _read(match)
    return None


def _read(match: re.Match[str]) -> Reading | None:
    day, hour, minute, second = (int(match[name]) for name in ("day", "hour", "minute", "second"))
    leap = second == LEAP_SECOND and minute % 15 == LEAP_MINUTE
    try:
        date = datetime(
            int(match["year"]), _month(match["month"]), day, hour, minute, second - leap
        )
        time = date + timedelta(seconds=leap)
    except (ValueError, OverflowError):
        return None
    weekday = match.groupdict().get("weekday")
    if weekday and not WEEKDAYS[date.weekday()].startswith(weekday):
        return None  # a line that contradicts itself tells nothing about a clock
    return Reading(time.replace(tzinfo=_zone(match["zone"])), match["identity"])


def _month(text: str) -> int:
    short = [name[:SHORT] for name in MONTHS]
    return int(text) if text.isdecimal() else short.index(text[:SHORT]) + 1


def _zone(text: str) -> tzinfo | None:
    if text in ZEROS:
        return UTC
    offset = OFFSET.fullmatch(text)
    if not offset:
        return None
    distance = timedelta(hours=int(offset[2]), minutes=int(offset[3] or 0))
    return timezone(-distance if offset[1] == "-" else distance)

"""The daytime line, RFC 867 section "Daytime Syntax": from an aware time to bytes.

The RFC has no fixed syntax, but asks for one line of printable ASCII.
"""

import re
from collections.abc import Callable
from datetime import datetime

# Names are spelled out because strftime would take them from the locale.
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


def unix_form(now: datetime) -> str:
    """The classic form of Unix, `Sun Aug 29 17:25:19 EST 2010`, a day below 10 after a space."""
    weekday, month = WEEKDAYS[now.weekday()][:3], MONTHS[now.month - 1][:3]
    return f"{weekday} {month} {now.day:2} {_clock(now)} {_zone_name(now)} {now.year:04}"


def rfc867_form(now: datetime) -> str:
    """The first form that RFC 867 shows, `Sunday, August 29, 2010 17:25:19-EST`."""
    date = f"{WEEKDAYS[now.weekday()]}, {MONTHS[now.month - 1]} {now.day}, {now.year:04}"
    return f"{date} {_clock(now)}-{_zone_name(now)}"


def iso_form(now: datetime) -> str:
    """The form of RFC 3339, `2010-08-29T17:25:19-05:00`."""
    return now.isoformat(timespec="seconds")


FORMS: dict[str, Callable[[datetime], str]] = {
    "unix": unix_form,
    "rfc867": rfc867_form,
    "iso": iso_form,
}


def daytime_line(time: str, identity: str = "") -> bytes:
    """Return the line to send: the time, the identity token if there is one, and CRLF."""
    return (f"{time} {identity}" if identity else time).encode("ascii") + b"\r\n"


def _zone_name(now: datetime) -> str:
    """Return the zone's abbreviation as one token of printable ASCII: a file may hold any bytes."""
    return re.sub(r"[^!-~]", "?", now.tzname() or "") or "-00"  # of RFC 9636: unknown


def _clock(now: datetime) -> str:
    return f"{now.hour:02}:{now.minute:02}:{now.second:02}"

"""The daytime line, RFC 867 section "Daytime Syntax": from an instant to bytes."""

from datetime import datetime

# Names are spelled out because strftime would take them from the locale.
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def daytime_line(now: datetime) -> bytes:
    """The classic Unix form of an aware time, `Sun Aug 29 17:25:19 EST 2010` and CRLF.

    RFC 867 has no fixed syntax, but asks for one line of printable ASCII.
    """
    day = f"{WEEKDAYS[now.weekday()]} {MONTHS[now.month - 1]} {now.day:2}"
    time = f"{now.hour:02}:{now.minute:02}:{now.second:02}"
    return f"{day} {time} {now.tzname()} {now.year:04}\r\n".encode("ascii")

"""From the text of a setting to its value; ValueError tells the rule that the text breaks."""

import math
import socket
from collections.abc import Callable

DAY_S = 86_400


def text_of(*words: str) -> Callable[[str], str]:
    """A parser that takes one of these words."""

    def parse(text: str) -> str:
        if text not in words:
            raise ValueError(f"is none of {', '.join(words)}")
        return text

    return parse


def whole(low: int, high: int) -> Callable[[str], int]:
    """A parser of whole numbers within bounds, ASCII digits only: int() alone takes `1_2`."""

    def parse(text: str) -> int:
        digits = text.isascii() and text.isdecimal() and len(text) < 10
        if not (digits and low <= int(text) <= high):
            raise ValueError(f"is not a whole number from {low} to {high}")
        return int(text)

    return parse


def seconds(text: str) -> float:
    """A duration in plain seconds, `1.5` say, of a day at most."""
    digits = text.replace(".", "", 1)
    if not (digits.isascii() and digits.isdecimal() and float(text) <= DAY_S):
        raise ValueError(f"is not a number of seconds from 0 to {DAY_S}")
    return float(text)


def seconds_or_never(text: str) -> float:
    """The same, but 0 means that it never comes: infinity."""
    return seconds(text) or math.inf


def switch(text: str) -> bool:
    """On or off, as environment variables say it."""
    if text not in ("0", "1"):
        raise ValueError("is neither 1 nor 0")
    return text == "1"


def address(text: str) -> str:
    """An IPv4 or IPv6 address, with a zone id (RFC 4007) if need be; or nothing."""
    host, _, zone = text.partition("%")
    for family in [socket.AF_INET6] if zone else [socket.AF_INET6, socket.AF_INET]:
        try:
            socket.inet_pton(family, host if text else "::")
            return text
        except (OSError, ValueError):
            pass
    raise ValueError("is not an IP address")

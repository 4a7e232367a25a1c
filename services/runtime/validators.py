"""From the text of a setting to its value; ValueError says what to write instead."""

import math
import re
import socket
from collections.abc import Callable

DAY_S = 86_400

# What env files and manifests write for a switch, in any case.
SWITCH = {
    **dict.fromkeys(("1", "true", "yes", "on"), True),
    **dict.fromkeys(("0", "false", "no", "off"), False),
}

# The number of a network interface is 32 bits wide, its name 15 bytes long (IFNAMSIZ).
MAX_INTERFACE = 2**32 - 1
_INTERFACE = re.compile(r"[!-.0-~]{1,15}")

_SECONDS = re.compile(r"(?=\.?[0-9])[0-9]{0,5}\.?[0-9]{0,9}")

_MAPPED = b"\0" * 10 + b"\xff\xff"  # an IPv4 address in IPv6 (RFC 4291 section 2.5.5.2)


def text_of(*words: str) -> Callable[[str], str]:
    """Return a parser that accepts one of these words."""

    def parse(text: str) -> str:
        if text not in words:
            raise ValueError(f"must be one of {', '.join(words)}")
        return text

    return parse


def whole(low: int, high: int) -> Callable[[str], int]:
    """Return a parser of whole numbers within bounds, in ASCII digits only: int() takes `1_2`."""

    def parse(text: str) -> int:
        if not (_is_number(text) and low <= int(text) <= high):
            raise ValueError(f"must be a whole number from {low} to {high}, in digits only")
        return int(text)

    return parse


def seconds(text: str) -> float:
    """Return a duration in plain seconds, `1.5` for example, of a day at most."""
    if not (_SECONDS.fullmatch(text) and float(text) <= DAY_S):
        raise ValueError(
            f"must be a number of seconds from 0 to {DAY_S}, such as 10 or 1.5, without a unit"
        )
    return float(text)


def seconds_or_never(text: str) -> float:
    """Return a duration in plain seconds, but infinity for 0, which means never."""
    return seconds(text) or math.inf


def switch(text: str) -> bool:
    """Return whether the text turns a switch on or off."""
    found = SWITCH.get(text.lower())
    if found is None:
        raise ValueError("must be 1 or 0, true or false, yes or no, on or off")
    return found


def address(text: str) -> str:
    """Return the shortest form of an IP address that one host can have, or nothing for nothing.

    IPv6 may have a zone id (RFC 4007). An IPv4 address written as IPv6 is returned as IPv4.
    """
    host, percent, zone = text.partition("%")
    if not text:
        return text
    packed = _packed(host)
    if percent and (len(packed) == 4 or not _is_zone(zone)):
        raise ValueError(
            "must have a network interface (name or number) after %, as in fe80::1%eth0; "
            "IPv4 has none"
        )
    if packed[0] == 0xFF or (len(packed) == 4 and packed[0] >> 4 == 0xE):
        raise ValueError(
            "must be the address of one host: this one is for many (multicast or broadcast)"
        )
    return socket.inet_ntop(_family(packed), packed) + percent + zone


def _packed(host: str) -> bytes:
    """Return the bytes of an address: 4 of IPv4, also if it is mapped into IPv6, else 16."""
    for family in (socket.AF_INET6, socket.AF_INET):
        try:
            return socket.inet_pton(family, host).removeprefix(_MAPPED)
        except (OSError, ValueError):
            pass
    raise ValueError("must be an IP address, such as 127.0.0.1 or ::1, not a name")


def _family(packed: bytes) -> int:
    return socket.AF_INET if len(packed) == 4 else socket.AF_INET6


def _is_zone(text: str) -> bool:
    if text.isascii() and text.isdecimal():
        return _is_number(text) and int(text) <= MAX_INTERFACE
    return bool(_INTERFACE.fullmatch(text))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 10

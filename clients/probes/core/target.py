"""What the user may write as an address: `host:port` or `[ipv6]:port`. Pure; nothing is looked up.

The parser is our own because the ready-made ones are lenient: `urlsplit` accepts `host:` and
port 0, and `int()` takes `1_2`, `+12` and full-width digits.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from enum import Enum, auto

from probes.core.outcome import Outcome

MAX_NAME_CHARS = 253  # RFC 1035 section 3.1: 255 octets on the wire
MAX_LABEL_CHARS = 63  # RFC 1035 section 2.3.4
MAX_PORT = 65535
# The longest valid text: a full name, its trailing dot, the colon and five digits. Checked before
# anything else, so that no later step can be slow on hostile input (CVE-2024-3651).
MAX_ADDRESS_CHARS = MAX_NAME_CHARS + 1 + 1 + 5

# RFC 1123 section 2.1, plus the underscore that compose puts into container names.
LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?")
# RFC 4291 section 2.5.6. Python's own answer is also about IPv4 within IPv6, in some versions.
LINK_LOCAL = ipaddress.IPv6Network("fe80::/10")
# RFC 6874 section 2 without percent-encoding (this is no URI). A Linux interface name has at most
# 15 bytes, and its number, which may take the name's place, is a positive int of 32 bits.
ZONE = re.compile(r"[A-Za-z0-9._~-]{1,15}")
MAX_INTERFACE = 2**31 - 1
# Leading zeros are refused: some readers take `010` for eight, and one port needs one spelling.
PORT = re.compile(r"[1-9][0-9]{0,4}")
# A name that ends in a number can only be an IPv4 address (WHATWG URL, "ends in a number").
NUMBER = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")


class AddressError(ValueError):
    """A text that is no address; the message says what is wrong with it."""


class Family(Enum):
    """The address families that may be used."""

    ANY = auto()
    IPV4 = auto()
    IPV6 = auto()


@dataclass(frozen=True)
class Target:
    """The host, a name or a literal IP address without brackets, and the port from 1 to 65535."""

    host: str
    port: int

    def __str__(self) -> str:
        return format_address(self.host, self.port)


@dataclass(frozen=True)
class ProbeOptions:
    """What all probes of a run have in common: where to, for how long, and what is expected."""

    target: Target
    family: Family
    timeout_s: float
    expected: tuple[Outcome, ...]


def format_address(host: str, port: int) -> str:
    """`host:port`, with the brackets that an IPv6 address needs."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def parse_target(text: str) -> Target:
    """The target that `text` names; anything else raises AddressError."""
    if not text:
        raise AddressError("the address is empty, expected host:port")
    if len(text) > MAX_ADDRESS_CHARS:
        raise AddressError(
            f"the address has {len(text)} characters, but a host name has at most {MAX_NAME_CHARS}"
        )
    if not text.isascii():
        raise AddressError("the address is not ASCII, write an international name in xn-- form")
    return _parse_bracketed(text) if text.startswith("[") else _parse_plain(text)


def _parse_bracketed(text: str) -> Target:
    host, bracket, rest = text[1:].partition("]")
    if not bracket:
        raise AddressError("the bracket is not closed, expected [ipv6]:port")
    if not rest.startswith(":"):
        raise AddressError("no port after the bracket, expected [ipv6]:port")
    _check_ipv6(host)
    return Target(host, _parse_port(rest[1:]))


def _parse_plain(text: str) -> Target:
    if "://" in text:
        raise AddressError("a URL, expected host:port")
    host, colon, port = text.partition(":")
    if not colon:
        raise AddressError("no port, expected host:port")
    if ":" in port:
        raise AddressError("more than one colon, an IPv6 address needs brackets as in [::1]:80")
    if not host:
        raise AddressError("no host before the colon, expected host:port")
    _check_host(host)
    return Target(host, _parse_port(port))


def _parse_port(text: str) -> int:
    if not text:
        raise AddressError("no port after the colon, expected host:port")
    if not PORT.fullmatch(text) or int(text) > MAX_PORT:
        raise AddressError(f"the port must be a whole number from 1 to {MAX_PORT}")
    return int(text)


def _check_ipv6(text: str) -> None:
    address, percent, zone = text.partition("%")
    try:
        parsed = ipaddress.IPv6Address(address)
    except ValueError:
        raise AddressError("the brackets hold no IPv6 address") from None
    if percent and not _is_zone(zone):
        raise AddressError("the zone after the percent sign is no interface name or number")
    if not percent and parsed in LINK_LOCAL:
        # RFC 4007 section 6: on each link there may be another host of that address.
        raise AddressError("a link-local address needs its interface, as in [fe80::1%eth0]:80")


def _is_zone(text: str) -> bool:
    if not ZONE.fullmatch(text):
        return False
    return not text.isdecimal() or 0 < int(text) <= MAX_INTERFACE


def _check_host(text: str) -> None:
    name = text.removesuffix(".")  # a trailing dot marks a full name: RFC 1034 section 3.1
    if len(name) > MAX_NAME_CHARS:
        raise AddressError(f"the host name has more than {MAX_NAME_CHARS} characters")
    labels = name.split(".")
    for label in labels:
        _check_label(label)
    if NUMBER.fullmatch(labels[-1]):
        _check_ipv4(text)


def _check_label(label: str) -> None:
    if not label:
        raise AddressError("the host name has an empty label")
    if len(label) > MAX_LABEL_CHARS:
        raise AddressError(f"a label of the host name has more than {MAX_LABEL_CHARS} characters")
    if not LABEL.fullmatch(label):
        raise AddressError("the host name may hold letters, digits, underscores and inner hyphens")


def _check_ipv4(text: str) -> None:
    # The resolver would take `127.1` and `0x7f000001` for addresses, as inet_aton did in 1983.
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        raise AddressError("the host ends in a number but is no IPv4 address") from None

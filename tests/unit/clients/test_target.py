"""The address parser: a target or an AddressError, never anything else, and no look-up."""

from __future__ import annotations

import socket
import time
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.core.target import AddressError, Target, parse_target

LABEL_63 = "a" * 63
NAME_253 = ".".join([LABEL_63, LABEL_63, LABEL_63, "a" * 61])


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("localhost:80", "localhost", 80),
        ("host:1", "host", 1),
        ("host:65535", "host", 65535),
        ("Echo.Example.ORG:7", "Echo.Example.ORG", 7),
        ("echo.demo.svc.cluster.local.:1201", "echo.demo.svc.cluster.local.", 1201),
        ("small-services_echo_1:1201", "small-services_echo_1", 1201),
        ("xn--bcher-kva.example:80", "xn--bcher-kva.example", 80),
        ("1host.2x:80", "1host.2x", 80),
        ("127.0.0.1:80", "127.0.0.1", 80),
        ("0.0.0.0:80", "0.0.0.0", 80),
        ("[::1]:80", "::1", 80),
        ("[::]:80", "::", 80),
        ("[2001:DB8::1]:443", "2001:DB8::1", 443),
        ("[::ffff:127.0.0.1]:80", "::ffff:127.0.0.1", 80),
        ("[fe80::1%eth0]:80", "fe80::1%eth0", 80),
        ("[fe80::1%br-0.100]:80", "fe80::1%br-0.100", 80),
        ("[fe80::1%2147483647]:80", "fe80::1%2147483647", 80),
        (f"{NAME_253}:65535", NAME_253, 65535),
        (f"{NAME_253}.:65535", f"{NAME_253}.", 65535),
    ],
)
def test_address(text: str, host: str, port: int) -> None:
    """host:port and [ipv6]:port, with a zone if need be, are addresses, and print as they came."""
    assert parse_target(text) == Target(host, port)
    assert str(parse_target(text)) == text


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "empty"),
        ("host", "no port"),
        ("host:", "no port after the colon"),
        (":80", "no host"),
        (":", "no host"),
        ("::1:80", "needs brackets"),
        ("::1", "needs brackets"),
        ("host:80:90", "needs brackets"),
        ("http://host:80", "a URL"),
        ("host:0", "from 1 to 65535"),
        ("host:65536", "from 1 to 65535"),
        ("host:99999999", "from 1 to 65535"),
        ("host:1_2", "from 1 to 65535"),
        ("host:+12", "from 1 to 65535"),
        ("host:-1", "from 1 to 65535"),
        ("host: 80", "from 1 to 65535"),
        ("host:80 ", "from 1 to 65535"),
        ("host:80\n", "from 1 to 65535"),
        ("host:0x50", "from 1 to 65535"),
        ("host:8e1", "from 1 to 65535"),
        ("host:http", "from 1 to 65535"),
        ("host:\uff18\uff10", "not ASCII"),
        ("host:\u0668\u0660", "not ASCII"),
        ("b\u00fccher.example:80", "not ASCII"),
        ("ho\udcffst:80", "not ASCII"),
        ("ho st:80", "may hold"),
        (" host:80", "may hold"),
        ("ho\0st:80", "may hold"),
        ("a\nb:80", "may hold"),
        ("\x1b[2J:80", "may hold"),
        ("user@host:80", "may hold"),
        ("host/path:80", "may hold"),
        ("-host:80", "may hold"),
        ("host-.example:80", "may hold"),
        ("a..b:80", "empty label"),
        (".a:80", "empty label"),
        (".:80", "empty label"),
        ("a..:80", "empty label"),
        (f"a{LABEL_63}:80", "63 characters"),
        (f"{NAME_253}a:80", "more than 253 characters"),
        (f"{NAME_253}a.:80", "more than 253 characters"),
        ("1.2.3:80", "no IPv4 address"),
        ("1:80", "no IPv4 address"),
        ("127.1:80", "no IPv4 address"),
        ("256.0.0.1:80", "no IPv4 address"),
        ("127.0.0.01:80", "no IPv4 address"),
        ("127.0.0.1.:80", "no IPv4 address"),
        ("0x7f000001:80", "no IPv4 address"),
        ("1.2.3.4.5:80", "no IPv4 address"),
        ("[fe80::1]:80", "needs its interface"),
        ("[::1]", "no port after the bracket"),
        ("[::1]80", "no port after the bracket"),
        ("[::1]:", "no port after the colon"),
        ("[::1]:0", "from 1 to 65535"),
        ("[::1:80", "not closed"),
        ("[]:80", "no IPv6 address"),
        ("[host]:80", "no IPv6 address"),
        ("[127.0.0.1]:80", "no IPv6 address"),
        ("[:::1]:80", "no IPv6 address"),
        ("[::1%]:80", "no interface name"),
        ("[::1%a%b]:80", "no interface name"),
        ("[::1%a b]:80", "no interface name"),
        ("[::1%abcdefghijklmnop]:80", "no interface name"),
        ("[fe80::1%0]:80", "no interface name or number"),
        ("[fe80::1%000]:80", "no interface name or number"),
        ("[fe80::1%2147483648]:80", "no interface name or number"),
        ("[fe80::1%4294967297]:80", "no interface name or number"),
        ("[fe80::1%999999999999999]:80", "no interface name or number"),
        ("[fe80::1%" + "9" * 4301 + "]:80", "characters"),
        ("[fe80::1%\uff11]:80", "not ASCII"),
        ("h" * 100_000 + ":80", "100003 characters"),
        ("h" * 100_000, "100000 characters"),
        ("[" + ":" * 100_000, "100001 characters"),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_no_address(text: str, complaint: str) -> None:
    """Anything else is an AddressError of one short line that says what is wrong."""
    with pytest.raises(AddressError, match=complaint) as caught:
        parse_target(text)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 120


def test_leading_zero() -> None:
    """A port with a leading zero is refused: some readers take it for octal."""
    with pytest.raises(AddressError):
        parse_target("host:080")


def test_long_address_is_refused_at_once() -> None:
    """The length comes first: hostile input of any size costs nothing."""
    text = "\u00fc." * 10_000_000
    began = time.process_time()
    with pytest.raises(AddressError):
        parse_target(text)
    assert time.process_time() - began < 0.5


def test_nothing_is_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parsing is pure: no resolver is asked."""
    monkeypatch.setattr(socket, "getaddrinfo", None)
    assert parse_target("localhost:80") == Target("localhost", 80)


ADDRESS_LIKE = st.text(st.sampled_from("[]:.%-_ax019\u0661\uff10\0\n"), max_size=24)


@given(st.text() | ADDRESS_LIKE)
def test_target_or_error(text: str) -> None:
    """Any text is a target that prints as it came, or an AddressError."""
    try:
        target = parse_target(text)
    except AddressError:
        return
    assert str(target) == text
    assert 1 <= target.port <= 65535


@given(st.ip_addresses(), st.integers(1, 65535))
def test_every_ip_address(address: IPv4Address | IPv6Address, port: int) -> None:
    """Every IP address and port is an address, with its interface where it needs one."""
    needs_interface = address.version == 6 and address.is_link_local
    host = f"{address}%eth0" if needs_interface else str(address)
    text = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    assert parse_target(text) == Target(host, port)

"""Targets that cannot be reached, or only at the second address: each its own word, in time."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from peer import Peer, Step, black_hole, echo, expect, refusing, refusing_datagrams, send
from process.clients.tool import TIMEOUT_S, Run, Tool, withstand

HOLD: Tool = ("probe", "hold")
REACHING: list[Tool] = [("headinfo",), ("probe", "daytime"), ("probe", "echo"), HOLD]
OVER_UDP: list[Tool] = [("probe", "daytime", "--udp"), ("probe", "echo", "--udp")]
OVER_TCP = pytest.mark.parametrize("tool", REACHING, ids=" ".join)
TOOLS = pytest.mark.parametrize("tool", REACHING + OVER_UDP, ids=" ".join)

# A resolver that never answers: there is no other way to have one without touching the system's.
DEAD_RESOLVER = "import socket, time; socket.getaddrinfo = lambda *_: time.sleep(60)"

ANSWERS: dict[Tool, list[Step]] = {
    ("headinfo",): [expect(b"HEAD / HTTP/1.0\r\n\r\n"), send(b"HTTP/1.0 200 OK\r\n\r\n")],
    ("probe", "daytime"): [send(b"Sun Aug 29 17:25:19 EST 2010\r\n")],
    ("probe", "echo"): [echo()],
}


def facts(done: Run) -> tuple[str, int, str, bool]:
    """Outcome, exit code and phase, and whether an address is named, of a tool's JSON."""
    found = json.loads(done.out)
    assert found["exit"] == done.code
    return found["outcome"], done.code, found["phase"], found["address"] is not None


def resolver(*addresses: str) -> str:
    """A program that makes a name resolve to these, in this order."""
    places = [(host, int(port)) for host, _, port in (each.partition(":") for each in addresses)]
    found = [(2, 1, 6, "", place) for place in places]
    return f"import socket; socket.getaddrinfo = lambda *_: {found}"


@pytest.mark.fault("a closed port, over TCP and UDP")
@TOOLS
def test_refused(tool: Tool) -> None:
    """A port where nobody listens is REFUSED, at once."""
    nobody = refusing_datagrams() if "--udp" in tool else refusing()
    with nobody as address:
        done = withstand(tool, address, "--json")
    assert facts(done) == ("REFUSED", 7, "answer" if "--udp" in tool else "connect", True)


@pytest.mark.fault("a black hole")
@OVER_TCP
def test_black_hole(tool: Tool) -> None:
    """An address that does not answer to a SYN is TIMEOUT."""
    with black_hole() as address:
        done = withstand(tool, address, "--json", timeout_s=TIMEOUT_S)
    assert facts(done) == ("TIMEOUT", 28, "connect", True)


@pytest.mark.fault("an unknown name")
@TOOLS
def test_unknown_name(tool: Tool) -> None:
    """A name that does not resolve is DNS, at once, and no address is named."""
    # An interface that does not exist fails in the resolver without a packet being sent.
    done = withstand(tool, "[fe80::1%nosuch]:80", "--json")
    assert facts(done) == ("DNS", 6, "lookup", False)


@pytest.mark.fault("a resolver that never answers (replaced in the tool)")
@TOOLS
def test_dead_resolver(tool: Tool) -> None:
    """A resolver that never answers is TIMEOUT, and does not keep the process alive."""
    done = withstand(tool, "host:80", "--json", timeout_s=TIMEOUT_S, first=DEAD_RESOLVER)
    assert facts(done) == ("TIMEOUT", 28, "lookup", False)


@pytest.mark.fault("the first address dead, the second alive (resolver replaced in the tool)")
@pytest.mark.parametrize("tool", ANSWERS, ids=" ".join)
@pytest.mark.parametrize("dead", [refusing, black_hole])
def test_first_address_dead(tool: Tool, dead: Callable[[], AbstractContextManager[str]]) -> None:
    """A first address that refuses or swallows leaves the second its share of the time: OK."""
    with dead() as first, Peer(*ANSWERS[tool]) as alive:
        addresses = resolver(first, alive.address)
        done = withstand(tool, "host:80", "--json", timeout_s=2 * TIMEOUT_S, first=addresses)
    assert facts(done) == ("OK", 0, "answer", True)
    assert json.loads(done.out)["address"] == alive.address

"""Peers that would drive the terminal: their bytes are shown, but as escapes, wherever they are."""

from __future__ import annotations

import json

import pytest

from peer import DatagramPeer, Peer, finish_sending, receive_all, send
from process.clients.tool import Run, Tool, withstand

# A title, the clipboard, a cleared screen by C1, DEL, BS, and in UTF-8 two bidi controls.
HOSTILE = b"\x1b]0;x\x07\x1b]52;c;eA==\x07\x9b2J\x7f\x08\xe2\x80\xae\xe2\x81\xa6"
TEXT = rb"\x1b]0;x\x07\x1b]52;c;eA==\x07\x9b2J\x7f\x08\xe2\x80\xae\xe2\x81\xa6"
JSON = json.dumps(HOSTILE.decode("latin-1"))[1:-1].encode()

STATUS = b"HTTP/1.0 200 OK\r\n"
MOMENT = b"Sun Aug 29 17:25:19 UTC 2010"

PLACES: dict[str, tuple[Tool, bytes]] = {
    "reason phrase": (("headinfo",), b"HTTP/1.0 200 " + HOSTILE + b"\r\n\r\n"),
    "header": (("headinfo",), STATUS + b"A: " + HOSTILE + b"\r\n\r\n"),
    "folded header": (("headinfo",), STATUS + b"A:\r\n " + HOSTILE + b"\r\n\r\n"),
    "malformed header": (("headinfo",), STATUS + HOSTILE + b"\r\n\r\n"),
    "malformed status line": (("headinfo",), b"HTTP/1.0 " + HOSTILE + b"\r\n\r\n"),
    "simple response": (("headinfo",), HOSTILE),
    "daytime": (("probe", "daytime"), HOSTILE + b"\r\n"),
    "identity": (("probe", "daytime"), MOMENT + b" " + HOSTILE + b"\r\n"),
}


def show(tool: Tool, reply: bytes, *options: str) -> Run:
    """Run a tool, whose output `withstand` holds to printable text, against a peer."""
    if "--udp" in options:
        with DatagramPeer(lambda _: reply) as peer:
            return withstand(tool, peer.address, *options)
    with Peer(send(reply), finish_sending(), receive_all()) as peer:
        return withstand(tool, peer.address, *options)


@pytest.mark.fault("terminal escapes and bidi controls in a peer's bytes")
@pytest.mark.parametrize("place", PLACES)
def test_text(place: str) -> None:
    """H10: in text every control and bidi character is escaped, on stdout and stderr."""
    tool, reply = PLACES[place]
    done = show(tool, reply)
    assert TEXT in done.stdout + done.stderr


@pytest.mark.fault("terminal escapes and bidi controls in a peer's bytes")
@pytest.mark.parametrize("place", PLACES)
def test_json(place: str) -> None:
    """H10: in JSON every one of them is escaped as well, and can be had back."""
    tool, reply = PLACES[place]
    done = show(tool, reply, "--json")
    assert JSON in done.stdout
    assert json.loads(done.out)["outcome"]


@pytest.mark.fault("terminal escapes and bidi controls in a peer's bytes")
def test_datagram() -> None:
    """H10: what comes over UDP is escaped as well."""
    assert TEXT in show(("probe", "daytime"), HOSTILE, "--udp").stdout
    assert JSON in show(("probe", "daytime"), HOSTILE, "--udp", "--json").stdout


@pytest.mark.fault("terminal escapes and bidi controls in a peer's bytes")
@pytest.mark.parametrize("form", [(), ("--json",)], ids=["text", "json"])
def test_tally(form: Tool) -> None:
    """D5: only what is printable becomes a name, and of those a backslash is doubled."""
    several = ("--count", "2", "--interval", "0.001", *form)
    done = show(("probe", "daytime"), MOMENT + b" " + HOSTILE + b"\r\n", *several)
    assert "by identity" not in done.out
    assert '"identities": {"' not in done.out
    done = show(("probe", "daytime"), MOMENT + rb" \x1b[2J" + b"\r\n", *several)
    assert (r'"identities": {"\\x1b[2J": 2}' if form else r"by identity: \\x1b[2J 2") in done.out

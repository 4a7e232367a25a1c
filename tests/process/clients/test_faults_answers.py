"""Peers that answer too slowly, too much, nothing or nonsense: a typed outcome, in time and small.

`withstand` checks for every one of them that the tool ends by its deadline, that its memory stays
flat, and that it shows nothing but printable text.
"""

from __future__ import annotations

import re
import socket
import threading
import time

import pytest

from peer import (
    DatagramPeer,
    Peer,
    Step,
    echo,
    expect,
    finish_sending,
    pause,
    receive_all,
    repeat,
    reset,
    send,
    wait_for,
)
from process.clients.tool import DISTANT_S, TIMEOUT_S, Run, Tool, withstand

HEADINFO: Tool = ("headinfo",)
DAYTIME: Tool = ("probe", "daytime")
ECHO: Tool = ("probe", "echo")
HOLD: Tool = ("probe", "hold", "--duration", "0.3", "--interval", "0.05", "--gap", "0.1")

REQUEST = expect(b"HEAD / HTTP/1.0\r\n\r\n")
STATUS = b"HTTP/1.0 200 OK\r\n"
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n"
LINE = b"Sun Aug 29 17:25:19 EST 2010\r\n"

# headinfo waits this long for the end of a reply that is whole, or that is no HTTP.
CLOSE_WAIT_S = 1.0


def meet(tool: Tool, *script: Step, timeout_s: float = DISTANT_S, by_s: float = TIMEOUT_S) -> Run:
    """Run a tool against a peer that plays `script` and then leaves the connection open."""
    over = threading.Event()
    with Peer(*script, wait_for(over)) as peer:
        try:
            return withstand(tool, peer.address, timeout_s=timeout_s, by_s=by_s)
        finally:
            over.set()


def named(*cases: tuple[str, Tool, list[Step]]) -> pytest.MarkDecorator:
    """A case for each name: a tool, and what its peer does."""
    values = [pytest.param(tool, script, id=name) for name, tool, script in cases]
    return pytest.mark.parametrize(("tool", "script"), values)


def drip(data: bytes, rest: bytes = b"x") -> list[Step]:
    """Send `data`, and then `rest` for ever, a byte at a time."""

    def step(caller: socket.socket) -> None:
        for value in data:
            caller.sendall(bytes([value]))
            time.sleep(0.01)

    return [step, repeat(rest, 0.01)]


def echo_half(caller: socket.socket) -> None:
    """Echo half of the bytes."""
    caller.sendall(caller.recv(65536)[:256])


def echo_once(caller: socket.socket) -> None:
    """Echo what comes first, which is all of it."""
    caller.sendall(caller.recv(65536))


def echo_a_block(caller: socket.socket) -> None:
    """Echo the first block of `probe hold`."""
    caller.sendall(caller.recv(512))


def drip_back(caller: socket.socket) -> None:
    """Echo, but a byte at a time."""
    for value in caller.recv(65536):
        caller.sendall(bytes([value]))
        time.sleep(0.01)


@pytest.mark.fault("silence, over TCP and UDP")
@named(
    ("headinfo", HEADINFO, []),
    ("daytime", DAYTIME, []),
    ("echo", ECHO, []),
    ("hold", HOLD, []),
    ("hold, as fast as it can", (*HOLD, "--size", "65536", "--interval", "0.001"), []),
    ("headinfo, in the head", HEADINFO, [REQUEST, send(STATUS)]),
    ("daytime, after the line", DAYTIME, [send(LINE)]),
    ("hold, after a block", HOLD, [echo_a_block]),
)
def test_silence(tool: Tool, script: list[Step]) -> None:
    """A peer that says nothing, or nothing more, and does not close is TIMEOUT."""
    assert meet(tool, *script, timeout_s=TIMEOUT_S).outcome == ("TIMEOUT", 28)


@pytest.mark.fault("a stall in a `hold` connection, longer than `--gap`")
def test_pause() -> None:
    """A pause that is too long, but over in time, is told twice, and TIMEOUT is the end of it."""
    tool = (*HOLD, "--duration", "1")
    script = (echo_a_block, pause(0.5), echo(), finish_sending())
    done = meet(tool, *script, timeout_s=1, by_s=2)
    assert (done.code, done.words[0], done.words[-2:]) == (28, "OPEN", ["TIMEOUT", "SUMMARY"])
    assert done.words.count("PAUSE") >= 2
    assert ": a pause of " in done.out


@pytest.mark.fault("silence, over TCP and UDP")
@pytest.mark.parametrize("tool", [DAYTIME, ECHO], ids=" ".join)
def test_silence_over_udp(tool: Tool) -> None:
    """A peer that sends no datagram back is TIMEOUT."""
    with DatagramPeer(lambda _: None) as peer:
        done = withstand((*tool, "--udp"), peer.address, timeout_s=TIMEOUT_S)
    assert done.outcome == ("TIMEOUT", 28)


@pytest.mark.fault("a byte now and then, without end")
@named(
    ("status line", HEADINFO, [REQUEST, *drip(STATUS[:-2])]),
    ("header", HEADINFO, [REQUEST, *drip(STATUS + b"A: ")]),
    ("headers", HEADINFO, [REQUEST, *drip(STATUS, b"A:\n")]),
    ("interim response", HEADINFO, [REQUEST, *drip(INTERIM + b"HTTP/1.1 100 ")]),
    ("daytime", DAYTIME, drip(b"")),
    ("echo", ECHO, [drip_back]),
    ("hold", HOLD, [drip_back]),
)
def test_drip(tool: Tool, script: list[Step]) -> None:
    """A byte now and then, for ever, does not move the deadline: TIMEOUT."""
    assert meet(tool, *script, timeout_s=TIMEOUT_S).outcome == ("TIMEOUT", 28)


@pytest.mark.fault("a byte now and then after the outcome is known")
@pytest.mark.parametrize(
    ("before", "code"),
    [(STATUS + b"\r\n", 0), (b"no HTTP", 72)],
    ids=["body", "simple response"],
)
def test_drip_that_cannot_matter(before: bytes, code: int) -> None:
    """H2, H7: once the outcome is known, a drip is followed for a second, not to the deadline."""
    done = meet(HEADINFO, REQUEST, send(before), *drip(b""), by_s=CLOSE_WAIT_S)
    assert done.code == code
    assert done.err.startswith("warning: the peer kept the connection open\n") or code == 0


@pytest.mark.fault("endless 1xx")
def test_endless_interim_responses() -> None:
    """H5: the sixth 1xx response is one too many: WRONG."""
    done = meet(HEADINFO, REQUEST, repeat(INTERIM))
    assert done.outcome == ("WRONG", 1)
    assert "more than 5 interim (1xx) responses" in done.err


@pytest.mark.fault("endless headers, header, status line")
@pytest.mark.parametrize(
    ("start", "endless"),
    [
        (STATUS[:-2], b"x"),
        (STATUS, b"A: b\r\n"),
        (STATUS, b"a:\n"),
        (STATUS + b"A: ", b"x"),
        (STATUS + b"A:\r\n", b" b\r\n"),
        (INTERIM[:-2], b"A: b\r\n"),
    ],
    ids=["status line", "headers", "short headers", "header", "folded", "interim response"],
)
def test_endless_head(start: bytes, endless: bytes) -> None:
    """H10: of a head that does not end 64 KiB are read, and then it is WRONG."""
    done = meet(HEADINFO, REQUEST, send(start), repeat(endless * 1000))
    assert done.outcome == ("WRONG", 1)
    assert "the head is longer than 65536 bytes" in done.err


@pytest.mark.fault("the largest head that fits")
def test_largest_head() -> None:
    """H10: a head of short lines, as many as fit, is shown whole, and memory stays flat."""
    head = STATUS + b"a:\n" * 21_000 + b"\n"
    done = meet(HEADINFO, REQUEST, send(head), finish_sending())
    assert (done.code, done.err) == (0, "")
    assert done.out == "HTTP/1.0 200 OK\n" + "a:\n" * 21_000


@pytest.mark.fault("endless body after HEAD")
@pytest.mark.parametrize("start", [STATUS + b"\r\n", STATUS + b"Content-Length: 9\r\n\r\n"])
def test_endless_body(start: bytes) -> None:
    """H2: what follows the empty line is no answer to HEAD; 64 KiB of it are read, and it is OK."""
    done = meet(HEADINFO, REQUEST, send(start), repeat(b"x" * 4096))
    assert done.code == 0
    assert done.err.startswith("warning: 65536 bytes came after the head")
    assert "warning: stopped reading at 65536 bytes\n" in done.err


@pytest.mark.fault("an endless reply that is not HTTP")
def test_endless_simple_response() -> None:
    """H7: of an endless reply without a status line 64 KiB are shown: HTTP09."""
    done = meet(HEADINFO, REQUEST, repeat(b"\0chargen" * 512))
    assert (done.code, done.stdout.count(rb"\x00")) == (72, 65536 // 8)
    assert done.err.startswith("warning: stopped reading at 65536 bytes\nHTTP09 ")


@pytest.mark.fault("daytime or echo never stops")
@pytest.mark.parametrize(
    ("tool", "reason"),
    [
        (DAYTIME, "more than 1024 bytes"),
        (ECHO, "the byte at offset "),
        (HOLD, "the byte at offset |bytes came before anything was sent"),
    ],
    ids=["daytime", "echo", "hold"],
)
def test_endless_answer(tool: Tool, reason: str) -> None:
    """D6, E1: a peer that never stops sending is WRONG as soon as that is certain."""
    done = meet(tool, repeat(bytes(range(256)) * 64))
    assert done.outcome == ("WRONG", 1)
    assert re.search(reason, done.out)


@pytest.mark.fault("daytime or echo never stops")
def test_endless_echo() -> None:
    """E1: a peer that never stops after all bytes came back is WRONG at the first one more."""
    done = meet(ECHO, echo_once, repeat(b"x" * 4096))
    assert done.outcome == ("WRONG", 1)
    assert "more came back than the 512 bytes sent" in done.out


@pytest.mark.fault("NUL or bare CR in a head")
@pytest.mark.parametrize("bad", [b"\0", b"\r", b"\rx"], ids=["NUL", "CR CR LF", "CR"])
@pytest.mark.parametrize(
    "place", [b"HTTP/1.0 200%s OK", b"HTTP/1.0 200 O%sK", b"A%s: b", b"A: b%sc", b"A: b%s"]
)
def test_nul_or_bare_cr_in_a_head(place: bytes, bad: bytes) -> None:
    """H6: NUL and bare CR have made two readers of one head disagree: WRONG."""
    line = place % bad
    head = line if line.startswith(b"HTTP") else STATUS + line
    assert meet(HEADINFO, REQUEST, send(head + b"\r\n\r\n")).outcome == ("WRONG", 1)


@pytest.mark.fault("bare LF in a head")
def test_bare_lf_in_a_head() -> None:
    """H6: a bare LF ends a line, as RFC 9112 section 2.2 allows: OK."""
    done = meet(HEADINFO, REQUEST, send(b"HTTP/1.0 200 OK\nA: b\n\n"), finish_sending())
    assert (done.code, done.out, done.err) == (0, "HTTP/1.0 200 OK\nA: b\n", "")


@pytest.mark.fault("NUL, bare CR or bare LF in the daytime line")
@pytest.mark.parametrize("line", [b"a\0b\r\n", b"a\rb\r\n", b"a\nb\r\n", b"a\n"])
def test_nul_or_bare_cr_or_lf_in_daytime(line: bytes) -> None:
    """D4: daytime's line holds no control character, and ends with CR LF: else it is WRONG."""
    assert meet(DAYTIME, send(line), finish_sending()).outcome == ("WRONG", 1)
    with DatagramPeer(lambda _: line) as peer:
        assert withstand((*DAYTIME, "--udp"), peer.address).outcome == ("WRONG", 1)


@pytest.mark.fault("a body after HEAD")
def test_body_after_head() -> None:
    """H2: a body after the head is no part of the reply: OK, with a warning that counts it."""
    done = meet(HEADINFO, REQUEST, send(STATUS + b"\r\n<html>"), finish_sending())
    assert (done.code, done.out) == (0, "HTTP/1.0 200 OK\n")
    assert done.err.startswith("warning: 6 bytes came after the head")


@pytest.mark.fault("a wrong Content-Length")
@pytest.mark.parametrize(
    "lie",
    [
        b"Content-Length: 99999999999999999999",
        b"Content-Length: -1",
        b"Content-Length: a lot",
        b"Content-Length: 1\r\nContent-Length: 2",
        b"Transfer-Encoding: chunked",
    ],
)
def test_lying_length(lie: bytes) -> None:
    """H2: whatever a head says of a body, none is waited for and no room is made for it: OK."""
    done = meet(HEADINFO, REQUEST, send(STATUS + lie + b"\r\n\r\n"), finish_sending())
    assert (done.code, done.err) == (0, "")
    assert done.stdout == b"HTTP/1.0 200 OK\n" + lie.replace(b"\r", b"") + b"\n"


@pytest.mark.fault("an empty reply")
@named(
    ("headinfo", HEADINFO, [REQUEST]),
    ("daytime", DAYTIME, []),
    ("echo", ECHO, [receive_all()]),
    ("hold", HOLD, [receive_all()]),
)
def test_empty_reply(tool: Tool, script: list[Step]) -> None:
    """A peer that closes without a byte is CLOSED, and nothing is waited for."""
    done = meet(tool, *script, finish_sending())
    assert done.outcome == ("CLOSED", 52)


@pytest.mark.fault("an empty datagram")
@pytest.mark.parametrize("tool", [DAYTIME, ECHO], ids=" ".join)
def test_empty_datagram(tool: Tool) -> None:
    """D3, E5: an empty datagram is an answer, and WRONG."""
    with DatagramPeer(lambda _: b"") as peer:
        assert withstand((*tool, "--udp"), peer.address).outcome == ("WRONG", 1)


@pytest.mark.fault("a reset, at once or within the answer")
@named(
    ("headinfo", HEADINFO, []),
    ("daytime", DAYTIME, []),
    ("echo", ECHO, []),
    ("headinfo, in the head", HEADINFO, [REQUEST, send(STATUS)]),
    ("daytime, after the line", DAYTIME, [send(LINE)]),
    ("echo, in the answer", ECHO, [echo_half]),
    ("hold", HOLD, []),
    ("hold, in the answer", HOLD, [echo_half]),
)
def test_reset(tool: Tool, script: list[Step]) -> None:
    """A connection that is reset before the answer is whole and ended is RESET."""
    assert meet(tool, *script, reset()).outcome == ("RESET", 56)

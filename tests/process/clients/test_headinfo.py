"""headinfo as a process, against a scripted peer."""

from __future__ import annotations

import json
import socket
import time

import pytest

from peer import (
    Peer,
    Step,
    echo,
    expect,
    expect_silence,
    finish_sending,
    receive_all,
    reset,
    send,
)
from process.clients.tool import Run, run

REQUEST = b"HEAD / HTTP/1.0\r\n\r\n"
HEAD = b"HTTP/1.1 200 OK\r\nServer: peer\r\nContent-Length: 1000\r\n\r\n"
LINE = b"Sun Aug 29 17:25:19 EST 2010\r\n"
HEAD_TEXT = "HTTP/1.1 200 OK\nServer: peer\nContent-Length: 1000\n"
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n"


def headinfo(*script: Step, options: tuple[str, ...] = ()) -> Run:
    """Run the tool against a peer that plays `script`."""
    with Peer(*script) as peer:
        return run("headinfo", peer.address, *options)


def answered(reply: bytes, *options: str) -> Run:
    """Run the tool against a peer that takes the request, replies and closes."""
    return headinfo(expect(REQUEST), send(reply), options=options)


def test_request_is_exact() -> None:
    """H1, H8: exactly HEAD / HTTP/1.0 and an empty line is sent, and our side stays open."""
    done = headinfo(expect(REQUEST), expect_silence(0.2), send(HEAD))
    assert (done.code, done.out, done.err) == (0, HEAD_TEXT, "")


def test_path_and_host_are_sent() -> None:
    """H9: --path and --host-header go into the request."""
    request = b"HEAD /a?b HTTP/1.0\r\nHost: example.org\r\n\r\n"
    options = ("--path", "/a?b", "--host-header", "example.org")
    assert headinfo(expect(request), send(HEAD), options=options).code == 0


def test_ipv6() -> None:
    """A bracketed IPv6 address is an address."""
    with Peer(expect(REQUEST), send(HEAD), host="::1") as peer:
        assert run("headinfo", peer.address, "-6").code == 0


@pytest.mark.parametrize("status", [b"404 Not Found", b"500", b"204 ", b"799 Odd"])
def test_any_status_is_ok(status: bytes) -> None:
    """H4: any well-formed head is OK, whatever its code and with or without a reason phrase."""
    done = answered(b"HTTP/1.1 " + status + b"\r\n\r\n")
    assert (done.code, done.out, done.err) == (0, f"HTTP/1.1 {status.decode()}\n", "")


def test_server_that_keeps_the_connection_open() -> None:
    """H3: after the empty line EOF is awaited for a second, then it is a success with a warning."""
    done = headinfo(expect(REQUEST), send(HEAD), receive_all(), options=("--json",))
    facts = json.loads(done.out)
    assert (done.code, facts["warnings"]) == (0, ["the peer kept the connection open"])
    assert 1000 <= facts["elapsed_ms"] < 1500


def test_warning_of_open_connection_is_on_stderr() -> None:
    """H3: the warning about an open connection is a message, the head is data."""
    done = headinfo(expect(REQUEST), send(HEAD), receive_all(), options=("--timeout", "0.3"))
    assert (done.code, done.out) == (0, HEAD_TEXT)
    assert done.err == "warning: the peer kept the connection open\n"


def test_reset_after_the_head_is_a_warning() -> None:
    """H3: how the connection ends does not matter once the head is whole."""
    done = headinfo(send(HEAD), expect(REQUEST[:1]), reset())
    assert (done.code, done.out) == (0, HEAD_TEXT)
    assert done.err.startswith("warning: the connection did not end well")


@pytest.mark.parametrize("reply", [b"", b"HT", b"HTTP/1.1 200 OK\r\n", HEAD[:-2]])
def test_eof_before_the_empty_line(reply: bytes) -> None:
    """H3: EOF before the empty line is an incomplete reply, CLOSED."""
    done = answered(reply)
    assert (done.code, done.out, done.err.split()[0]) == (52, "", "CLOSED")
    assert f"({len(reply)} bytes received)" in done.err


def test_interim_responses_are_skipped() -> None:
    """H5: up to five 1xx responses may come first; a warning says so."""
    done = answered(INTERIM * 5 + HEAD)
    assert (done.code, done.out) == (0, HEAD_TEXT)
    assert done.err == "warning: 5 interim (1xx) responses came before the head\n"


@pytest.mark.parametrize("field", [b"Server : peer", b"nonsense", b": x", b"A: b\0c", b"A: b\rc"])
def test_malformed_field(field: bytes) -> None:
    """H6: a space before the colon, a missing name, NUL and bare CR are WRONG, in one line."""
    done = answered(b"HTTP/1.0 200 OK\r\n" + field + b"\r\n\r\n")
    assert (done.code, done.out, done.err.split()[0]) == (1, "", "WRONG")
    assert done.err.count("\n") == 1


def test_aimed_at_echo() -> None:
    """H7: echo returns our request and waits; the tool sees that at once and says so."""
    done = headinfo(echo())
    assert (done.code, done.out) == (72, "HEAD / HTTP/1.0\n")
    assert done.err.startswith("HTTP09 ")
    assert done.err.endswith(": the peer sent our own request back: an echo server\n")


def test_aimed_at_slow_echo() -> None:
    """H7: an echo server that returns a byte at a time is still seen as one."""

    def one_by_one(caller: socket.socket) -> None:
        for value in caller.recv(1024):
            caller.sendall(bytes([value]))
            time.sleep(0.005)

    done = headinfo(one_by_one, receive_all())
    assert (done.code, done.out) == (72, "HEAD / HTTP/1.0\n")
    assert "an echo server" in done.err


def test_aimed_at_daytime() -> None:
    """H7: daytime's line is printed, and has its own exit code."""
    done = headinfo(send(LINE), finish_sending(), receive_all())
    assert (done.code, done.out) == (72, "Sun Aug 29 17:25:19 EST 2010\n")
    assert done.err.startswith("HTTP09 ")
    assert done.err.endswith(": no HTTP status line in 30 bytes\n")


def test_aimed_at_hasty_daytime() -> None:
    """H7, D2: a daytime that resets instead of reading our request does not hide its line."""
    done = headinfo(send(LINE), expect(REQUEST[:1]), reset())
    assert (done.code, done.out) == (72, "Sun Aug 29 17:25:19 EST 2010\n")


HOSTILE = (
    b"HTTP/1.0 200 \x1b[31mred\r\n"
    b"A: \x1b]0;title\x07 \x1b]52;c;aGk=\x1b\\ [bold]\r\n"
    b"B: \xe2\x80\xae \x9b2J \x7f \x08\r\n\r\n"
)


@pytest.mark.parametrize("reply", [HOSTILE, HOSTILE[8:]], ids=["head", "simple response"])
def test_raw(reply: bytes) -> None:
    """--raw gives the bytes as they came."""
    assert answered(reply, "--raw").stdout == reply


def test_json_of_a_head() -> None:
    """--json is one object with the head in parts, a character for every byte."""
    done = answered(b"HTTP/1.1 200 OK\r\nSet-Cookie: a\r\nset-cookie:\xff\x1b \r\n\r\n", "--json")
    facts = json.loads(done.out)
    assert done.out.count("\n") == 1
    assert facts["head"] == {
        "version": "1.1",
        "status": 200,
        "reason": "OK",
        "fields": [["Set-Cookie", "a"], ["set-cookie", "\xff\x1b"]],
        "interim": 0,
    }
    assert (facts["schema"], facts["type"], facts["outcome"], facts["exit"]) == (1, "head", "OK", 0)
    assert (facts["body"], facts["warnings"], facts["phase"]) == (None, [], "answer")
    assert (done.code, done.err) == (0, "")


def test_json_of_a_simple_response() -> None:
    """--json carries a reply without a status line as its body."""
    done = answered(b"hi\xff\r\n", "--json")
    facts = json.loads(done.out)
    assert (done.code, facts["outcome"], facts["exit"]) == (72, "HTTP09", 72)
    assert (facts["head"], facts["body"]) == (None, "hi\xff\r\n")
    assert done.err == ""


def test_json_of_a_failure() -> None:
    """--json reports a failure on stdout too."""
    done = answered(b"", "--json")
    facts = json.loads(done.out)
    assert (done.code, facts["outcome"], facts["exit"]) == (52, "CLOSED", 52)
    assert (facts["head"], facts["body"], done.err) == (None, None, "")

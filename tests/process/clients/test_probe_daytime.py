"""probe daytime as a process, against a scripted peer."""

from __future__ import annotations

import json
import re
import socket
from datetime import UTC, datetime, timedelta

import pytest

from peer import (
    Peer,
    Step,
    expect_end,
    expect_silence,
    finish_sending,
    send,
)
from process.clients.tool import Run, run

LINE = b"Sun Aug 29 17:25:19 EST 2010\r\n"


def probe(*script: Step, options: tuple[str, ...] = ()) -> Run:
    """Run the tool against a peer that plays `script`."""
    with Peer(*script) as peer:
        return run("probe", "daytime", peer.address, *options)


def test_line_is_shown() -> None:
    """D1: one line, then EOF, is OK; the result is one line that names address, time and line."""
    with Peer(send(LINE)) as peer:
        done = run("probe", "daytime", peer.address)
    assert done.out.startswith(f"OK {peer.address} at {peer.address} in ")
    assert done.out.endswith(": Sun Aug 29 17:25:19 EST 2010\n")
    assert (done.code, done.out.count("\n"), done.err) == (0, 1, "")


def test_nothing_is_sent() -> None:
    """D1: the client neither writes nor half-closes while it waits, and then just closes."""
    done = probe(expect_silence(0.2), send(LINE), finish_sending(), expect_end())
    assert done.code == 0


@pytest.mark.parametrize(
    "reply",
    [b"two\r\nlines\r\n", b"bare LF\n", b"bell\x07\r\n", b"caf\xc3\xa9\r\n", b"\r\n", b"a\r\nb"],
)
def test_wrong_shape(reply: bytes) -> None:
    """D4, D6: anything but one line of printable ASCII with CR LF is WRONG, shown escaped."""
    done = probe(send(reply))
    assert (done.code, done.words) == (1, ["WRONG"])
    assert done.out[:-1].isprintable()


@pytest.mark.parametrize("reply", [b"", b"Sun Aug", b"Sun Aug 29 17:25:19 EST 2010\r"])
def test_cut_short(reply: bytes) -> None:
    """D1: EOF before the line is whole is CLOSED."""
    done = probe(send(reply))
    assert (done.code, done.words) == (52, ["CLOSED"])


def test_identity() -> None:
    """D5: several tries are counted by the host token that ends each line."""
    names = iter([b" web-7f9c", b" web-x", b"", b" web-7f9c"])
    with Peer(lambda caller: caller.sendall(LINE[:-2] + next(names) + b"\r\n")) as peer:
        done = run("probe", "daytime", peer.address, "--count", "4", "--interval", "0.01")
    assert done.words == ["OK", "OK", "OK", "OK", "SUMMARY"]
    assert done.out.endswith("; by identity: web-7f9c 2, web-x 1 and 1 without\n")


def test_json_of_identities() -> None:
    """D5: --json has the identity of every try, null where there is none, and the tally."""
    names = iter([b" web-7f9c", b""])
    options = ("--count", "2", "--interval", "0.01", "--json")
    with Peer(lambda caller: caller.sendall(LINE[:-2] + next(names) + b"\r\n")) as peer:
        done = run("probe", "daytime", peer.address, *options)
    *tries, summary = [json.loads(line) for line in done.out.splitlines()]
    assert [each["identity"] for each in tries] == ["web-7f9c", None]
    assert [each["transport"] for each in (*tries, summary)] == ["tcp"] * 3
    assert (summary["identities"], summary["other_identities"]) == ({"web-7f9c": 1}, 0)


@pytest.mark.parametrize("wrong_by_s", [0, 3600, -3600])
def test_skew(wrong_by_s: int) -> None:
    """D6: a clock that is wrong is OK all the same, but text and JSON say by how much."""

    def tell(caller: socket.socket) -> None:
        now = datetime.now(UTC) + timedelta(seconds=wrong_by_s)
        caller.sendall(f"{now:%Y-%m-%dT%H:%M:%S}+00:00\r\n".encode())

    with Peer(tell) as peer:
        done = run("probe", "daytime", peer.address)
        facts = json.loads(run("probe", "daytime", peer.address, "--json").out)
    assert (done.code, done.words) == (0, ["OK"])
    shown = re.search(r" \(skew (-?[0-9]+) s\)\n", done.out)
    assert shown
    for skew_s in (int(shown[1]), facts["skew_s"]):
        # A second that begins during the try is one that the line need not have.
        assert 0 <= abs(wrong_by_s) - abs(skew_s) <= 1
        assert skew_s * wrong_by_s >= 0


def test_no_skew() -> None:
    """D6: a zone that does not tell its offset, and a failure, have no skew."""
    done = probe(send(LINE))
    assert done.out.endswith("EST 2010\n")
    for reply in (LINE, b""):
        facts = json.loads(probe(send(reply), options=("--json",)).out)
        assert (facts["skew_s"], facts["identity"]) == (None, None)

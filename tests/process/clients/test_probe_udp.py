"""probe daytime --udp and probe echo --udp as processes, against a peer for datagrams."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from peer import DatagramPeer
from process.clients.tool import Run, run

LINE = b"Sun Aug 29 17:25:19 EST 2010\r\n"

PROTOCOLS = pytest.mark.parametrize("protocol", ["daytime", "echo"])


def time_of_day(_: bytes) -> bytes:
    """What a daytime server replies."""
    return LINE


def same(datagram: bytes) -> bytes:
    """What an echo server replies."""
    return datagram


def silence(_: bytes) -> None:
    """What a server that is not there replies."""


def probe(
    protocol: str, reply: Callable[[bytes], bytes | None], *options: str, aside: bool = False
) -> Run:
    """Run the tool against a peer."""
    with DatagramPeer(reply, aside=aside) as peer:
        return run("probe", protocol, peer.address, "--udp", *options)


def facts(done: Run) -> dict[str, Any]:
    """The one JSON object that the tool printed."""
    parsed: dict[str, Any] = json.loads(done.out)
    return parsed


def test_time() -> None:
    """D3: a datagram with CR LF asks, one with a line answers: OK, in a line that names UDP."""
    with DatagramPeer(time_of_day) as peer:
        done = run("probe", "daytime", peer.address, "--udp")
    assert (done.code, done.out.count("\n"), done.err) == (0, 1, "")
    assert done.out.startswith(f"OK {peer.address} over UDP at {peer.address} in ")
    assert done.out.endswith(": Sun Aug 29 17:25:19 EST 2010\n")
    assert peer.asked == [b"\r\n"]


@pytest.mark.parametrize("size", [0, 1, 512, 8193, 65507])
def test_every_size(size: int) -> None:
    """E5: a datagram of any size, the empty and the longest too, comes back as it is."""
    with DatagramPeer(same) as peer:
        done = run("probe", "echo", peer.address, "--udp", "--size", str(size))
    assert (done.code, done.words, done.err) == (0, ["OK"], "")
    assert done.out.endswith(f": {size} bytes came back\n")
    assert [len(datagram) for datagram in peer.asked] == [size]


@PROTOCOLS
def test_ipv6(protocol: str) -> None:
    """D3, E5: over IPv6 as over IPv4."""
    with DatagramPeer(same if protocol == "echo" else time_of_day, host="::1") as peer:
        assert run("probe", protocol, peer.address, "--udp").code == 0


@pytest.mark.parametrize(
    "reply",
    [
        *(b"", b"Sun Aug", LINE[:-1], LINE[:-2], LINE + LINE, b"bell\x07\r\n", b"\r\n"),
        b"x" * 2000 + b"\r\n",
    ],
)
def test_no_time(reply: bytes) -> None:
    """D3, D4: a datagram that is not one whole line is WRONG, since no other will follow."""
    done = probe("daytime", lambda _: reply)
    assert (done.code, done.words) == (1, ["WRONG"])
    assert done.out[:-1].isprintable()


def test_echo_for_daytime() -> None:
    """D4: an echo server does not pass for daytime."""
    assert probe("daytime", same).words == ["WRONG"]


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        (lambda data: data[:-1], "the datagram ends at offset 511 of the 512 bytes sent"),
        (lambda _: b"", "the datagram ends at offset 0 of the 512 bytes sent"),
        (lambda data: data + b"!", "more came back than the 512 bytes sent"),
        (
            lambda data: data[:300] + bytes([data[300] ^ 1]) + data[301:],
            "the byte at offset 300 is",
        ),
    ],
    ids=["truncated", "empty", "longer", "other"],
)
def test_wrong_echo(change: Callable[[bytes], bytes], detail: str) -> None:
    """E5: a datagram that is shorter, longer or another is WRONG, and the offset is named."""
    done = probe("echo", change)
    assert (done.code, done.words) == (1, ["WRONG"])
    assert detail in done.out


@PROTOCOLS
def test_answer_from_another_port(protocol: str) -> None:
    """E6: an answer that does not come from where the question went is not taken for one."""
    reply = same if protocol == "echo" else time_of_day
    done = probe(protocol, reply, "--timeout", "0.3", aside=True)
    assert (done.code, done.words) == (28, ["TIMEOUT"])


def test_new_socket_and_nonce_for_every_try() -> None:
    """kube-proxy pins a socket to one server, so that every try has a new one, and new bytes."""
    with DatagramPeer(same) as peer:
        run("probe", "echo", peer.address, "--udp", "--count", "4", "--interval", "0.01")
    assert len(set(peer.asked)) == 4
    assert len(set(peer.ports)) > 1  # the system may, now and then, choose one again


def test_json() -> None:
    """--json names the transport in tries and summary; UDP has no time to connect."""
    done = probe("echo", same, "--count", "2", "--interval", "0.01", "--json")
    *tries, summary = [json.loads(line) for line in done.out.splitlines()]
    assert [each["transport"] for each in (*tries, summary)] == ["udp"] * 3
    assert [each["connect_ms"] for each in (*tries, summary)] == [None] * 3
    assert all(each["answer_ms"] > 0 for each in tries)
    assert summary["answer_ms"]["min"] > 0
    # Identity belongs in daytime: on an echo it would be a wrong byte.
    assert not {"identity", "identities", "skew_s"} & {*tries[0], *summary}


def test_lost_datagrams_are_counted() -> None:
    """A lost answer is a TIMEOUT of its own; the next try goes on."""
    replies = iter([LINE, None, LINE])
    options = ("--count", "3", "--interval", "0.01", "--timeout", "1")
    done = probe("daytime", lambda _: next(replies), *options)
    assert done.words == ["OK", "TIMEOUT", "OK", "SUMMARY"]
    assert " over UDP 3 sent, 2 ok, 1 failed (TIMEOUT 1); whole ms " in done.out
    assert "connect ms" not in done.out
    assert "; answer ms " in done.out
    assert done.code == 28

"""probe echo as a process, against a scripted peer."""

from __future__ import annotations

import json
import socket
import threading
from typing import Any

import pytest

from peer import Peer, Step, echo, expect_end, receive_all, reset, send, wait_for
from process.clients.tool import Run, measure, run

MIB = 1024 * 1024


def probe(*script: Step, options: tuple[str, ...] = ()) -> Run:
    """Run the tool against a peer that plays `script`."""
    with Peer(*script) as peer:
        return run("probe", "echo", peer.address, *options)


def echo_at_the_end(change: bytes = b"") -> Step:
    """Collect everything, and send it back with `change` after it, once the caller half-closed."""

    def step(caller: socket.socket) -> None:
        received = b""
        while data := caller.recv(65536):
            received += data
        caller.sendall(received + change)

    return step


def answer_once(caller: socket.socket) -> None:
    """Echo the first bytes only."""
    caller.sendall(caller.recv(65536))


def timed_out(*script: Step, options: tuple[str, ...] = ()) -> dict[str, Any]:
    """Run the tool against a peer that then does nothing, not even close, until the tool ends."""
    over = threading.Event()
    with Peer(*script, wait_for(over)) as peer:
        done = run("probe", "echo", peer.address, "--timeout", "0.3", "--json", *options)
        over.set()
    facts: dict[str, Any] = json.loads(done.out)
    assert (done.code, facts["outcome"]) == (28, "TIMEOUT")
    assert 300 <= facts["elapsed_ms"] < 800
    return facts


@pytest.mark.parametrize("size", [1, 512, 65536, 65537, 8 * MIB])
def test_every_byte_comes_back(size: int) -> None:
    """E1, E4: all bytes back in order and then EOF is OK; sending and reading go on together."""
    done = probe(echo(), options=("--size", str(size)))
    assert (done.code, done.words, done.err) == (0, ["OK"], "")
    assert done.out.endswith(f": {size} bytes came back\n")


def test_half_close() -> None:
    """E3: the client half-closes after its last byte and still reads what comes."""
    done = probe(echo_at_the_end(), options=("--size", "70000"))
    assert (done.code, done.words) == (0, ["OK"])


def test_nonce_is_fresh() -> None:
    """Every try sends bytes of its own, so that an old answer cannot pass for a new one."""
    seen = []

    def remember(caller: socket.socket) -> None:
        seen.append(caller.recv(65536))
        caller.sendall(seen[-1])

    probe(remember, options=("--count", "2", "--interval", "0.01"))
    assert len(set(seen)) == 2
    assert [len(nonce) for nonce in seen] == [512, 512]


def test_wrong_byte() -> None:
    """E1: a changed byte is WRONG, and its offset is named."""
    done = probe(echo(lambda data: data[:300] + bytes([data[300] ^ 1]) + data[301:]))
    assert (done.code, done.words) == (1, ["WRONG"])
    assert "the byte at offset 300 is 0x" in done.out


def test_something_else() -> None:
    """E1: a peer that is no echo at all is WRONG."""
    done = probe(send(b"Sun Aug 29 17:25:19 EST 2010\r\n"), receive_all())
    assert (done.code, done.words) == (1, ["WRONG"])


def test_more_than_was_sent() -> None:
    """E1: a byte after the last one is WRONG."""
    done = probe(echo_at_the_end(b"!"))
    assert (done.code, done.words) == (1, ["WRONG"])
    assert "more came back than the 512 bytes sent (512 of 512 bytes came back)" in done.out


def test_less_than_was_sent() -> None:
    """E3: EOF before the last byte is CLOSED."""
    done = probe(echo(lambda data: data[:-1]), options=("--size", "100"))
    assert (done.code, done.words) == (52, ["CLOSED"])
    assert "(99 of 100 bytes came back)" in done.out


@pytest.mark.parametrize("steps", [[], [answer_once]], ids=["silence", "answer"])
def test_no_eof(steps: list[Step]) -> None:
    """E3: an echo that does not close after our half-close is TIMEOUT, all bytes back or not."""
    facts = timed_out(*steps)
    assert facts["detail"].endswith(f"({len(steps) * 512} of 512 bytes came back)")


def test_peer_that_reads_nothing() -> None:
    """A peer that neither reads nor sends is TIMEOUT, though much is left to send."""
    facts = timed_out(options=("--size", str(64 * MIB)))
    assert facts["detail"].endswith(f"(0 of {64 * MIB} bytes came back)")


def test_reset() -> None:
    """A reset in the middle is RESET, and says how far it came."""

    def some(caller: socket.socket) -> None:
        caller.sendall(caller.recv(100))
        assert caller.recv(100)

    done = probe(some, reset(), options=("--size", str(MIB)))
    assert (done.code, done.words) == (56, ["RESET"])
    assert "of 1048576 bytes came back)" in done.out


def test_early_close() -> None:
    """A peer that closes without reading ends in CLOSED or RESET, never in a traceback."""
    done = probe(options=("--size", str(MIB)))
    assert done.code in (52, 56)
    assert done.err == ""


@pytest.mark.parametrize("last", [[], [reset()]], ids=["close", "reset"])
def test_a_peer_that_ends_early_is_never_out_of_reach(last: list[Step]) -> None:
    """However its end meets our half-close, it is CLOSED or RESET: the peer was there."""
    done = probe(expect_one, *last, options=("--count", "200", "--interval", "0.001", "--json"))
    tries = [json.loads(line) for line in done.out.splitlines()]
    assert {each["outcome"] for each in tries if each["type"] == "try"} <= {"CLOSED", "RESET"}


def expect_one(caller: socket.socket) -> None:
    """Receive one byte, and leave the others unread."""
    caller.recv(1)


def test_size_on_the_wire() -> None:
    """--size is the number of bytes sent."""
    probe(expect_end(after_bytes=777), options=("--size", "777"))


def test_memory_is_flat() -> None:
    """The largest nonce takes no more memory than the smallest."""
    assert peak_kib(64 * MIB) - peak_kib(1) < 4 * 1024


def peak_kib(size: int) -> int:
    """The most memory that a try of `size` bytes had at any time."""
    with Peer(echo()) as peer:
        options = ("--size", str(size), "--timeout", "60")
        done, cost = measure("probe", "echo", peer.address, *options)
    assert done.code == 0
    return cost.peak_kib

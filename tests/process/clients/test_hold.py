"""probe hold as a process, against scripted peers and a path that stalls."""

from __future__ import annotations

import json
import re
import signal
import socket
import threading
import time
from typing import Any

import pytest

from peer import (
    PATIENCE_S,
    Peer,
    Step,
    echo,
    expect_end,
    pause,
    receive_all,
    refusing,
    reset,
    wait_for,
)
from process.clients.tool import STOPS, Run, finish, measure, run, start, stop

SHORT = ("--duration", "0.5", "--interval", "0.05")
TIME = r"\d\d:\d\d:\d\d"
# What a pause is compared with, and what it is.
GAP_S, PAUSE_S = 0.5, 1.5


def probe(*script: Step, options: tuple[str, ...] = ()) -> Run:
    """Run the tool for half a second against a peer that plays `script`."""
    with Peer(*script) as peer:
        return run("probe", "hold", peer.address, *SHORT, *options)


def objects(done: Run) -> list[dict[str, Any]]:
    """The JSON objects that the tool printed."""
    return [json.loads(line) for line in done.out.splitlines()]


def echo_once(caller: socket.socket) -> None:
    """Echo what comes first."""
    caller.sendall(caller.recv(65536))


def test_a_connection_that_holds() -> None:
    """E1, E2, E3: block after block comes back, then EOF after our half-close: OK."""
    with Peer(echo()) as peer:
        done = run("probe", "hold", peer.address, *SHORT)
    assert (done.code, done.words, done.err) == (0, ["OPEN", "OK", "SUMMARY"], "")
    opened, end, summary = done.out.splitlines()
    assert re.fullmatch(f"OPEN {peer.address} at {peer.address}, {TIME}", opened)
    back = re.search(r": ([0-9]+) bytes came back$", end)
    assert back
    assert f" {back[1]} bytes sent, {back[1]} came back; longest pause 0." in summary
    assert summary.endswith(" 0 longer than 1 s")


def test_one_connection() -> None:
    """All blocks go over one connection, of the size and as often as was asked."""
    sizes = []

    def count_bytes(caller: socket.socket) -> None:
        sizes.append(0)
        while data := caller.recv(65536):
            sizes[-1] += len(data)
            caller.sendall(data)

    done = probe(count_bytes, options=("--size", "100", "--json"))
    *_, end, held = objects(done)
    assert sizes == [held["sent_bytes"]] == [held["returned_bytes"]] == [end["offset"]]
    # Ten blocks in half a second; a busy machine may be late with some, but never early.
    assert sizes[0] % 100 == 0
    assert 200 <= sizes[0] <= 1000


def test_an_interval_above_the_duration() -> None:
    """One block is sent, and the silence after it is no pause."""
    done = probe(echo(), options=("--interval", "60", "--gap", "0.2", "--json"))
    assert (done.code, [each["type"] for each in objects(done)]) == (0, ["open", "end", "held"])
    assert objects(done)[-1]["returned_bytes"] == 512


def pausing(*form: str) -> Run:
    """Run the tool against a peer that pauses for longer than it may."""
    options = ("--duration", str(2 * PAUSE_S), "--gap", str(GAP_S), *form)
    return probe(echo_once, pause(PAUSE_S), echo(), options=options)


def test_a_pause_is_told() -> None:
    """A pause longer than --gap is told when it is, and when it is over: TIMEOUT in the end."""
    done = pausing()
    assert (done.code, done.words) == (28, ["OPEN", "PAUSE", "PAUSE", "TIMEOUT", "SUMMARY"])
    _, begun, over, end, summary = done.out.splitlines()
    place = rf"PAUSE \S+ {TIME}, after \d\.\d{{3}} s at byte 512"
    assert re.fullmatch(f"{place}: nothing for .* s", begun)
    assert re.fullmatch(f"{place}: over, it was .* s", over)
    assert ", longer than 0.5 s (" in end
    assert summary.endswith(", 1 longer than 0.5 s")


def test_json_of_a_pause() -> None:
    """--json tells the same: what a pause is so far, what it was, where, and the longest."""
    done = pausing("--json")
    _, begun, over, end, held = objects(done)
    assert (done.code, end["outcome"], begun["over"], over["over"]) == (28, "TIMEOUT", False, True)
    assert GAP_S * 1000 <= begun["pause_ms"] < over["pause_ms"]
    assert begun["held_ms"] < over["held_ms"]
    assert begun["offset"] == over["offset"] == 512
    assert (held["pauses"], held["longest_pause_ms"]) == (1, over["pause_ms"])
    assert end["offset"] == held["sent_bytes"]


def test_a_pause_is_told_at_once() -> None:
    """It is told while it lasts, not when it is over."""
    over = threading.Event()
    with Peer(echo_once, wait_for(over)) as peer:
        process = start("probe", "hold", peer.address, "--gap", "0.2", "--interval", "0.05")
        assert process.stdout
        assert process.stdout.readline().startswith(b"OPEN ")
        assert process.stdout.readline().startswith(b"PAUSE ")
        over.set()
        done = finish(process)
    assert done.words[-1] == "SUMMARY"


@pytest.mark.fault("a `hold` stopped in a stall")
def test_a_pause_that_is_cut_short() -> None:
    """Stopped in a pause, it tells how long that has lasted, not how long when it was told."""
    over = threading.Event()
    with Peer(wait_for(over)) as peer:
        arguments = (peer.address, "--gap", "0.2", "--interval", "60", "--json")
        process = start("probe", "hold", *arguments)
        assert process.stdout
        for _ in range(2):  # open, and the pause
            told = json.loads(process.stdout.readline())
        time.sleep(PAUSE_S)
        (held,) = objects(stop(process, signal.SIGTERM))
        over.set()
    assert held["longest_pause_ms"] >= told["pause_ms"] + PAUSE_S * 1000 / 2


@pytest.mark.fault("a `hold` suspended (Ctrl-Z) across its end")
def test_a_tool_that_is_stopped_itself() -> None:
    """Ctrl-Z across the end takes nothing of the time for it: all came back, so it is OK."""
    with Peer(echo()) as peer:
        arguments = ("--duration", "0.5", "--interval", "60", "--timeout", "0.5", "--gap", "60")
        process = start("probe", "hold", peer.address, *arguments)
        assert process.stdout
        assert process.stdout.readline().startswith(b"OPEN ")
        process.send_signal(signal.SIGSTOP)
        time.sleep(PAUSE_S)
        process.send_signal(signal.SIGCONT)
        done = finish(process)
    assert (done.code, done.words) == (0, ["OK", "SUMMARY"])


def test_a_duration_of_nothing() -> None:
    """However short it is held, a block must come back: who gives nothing back is not OK."""
    done = probe(receive_all(), options=("--duration", "0.000001"))
    assert (done.code, done.words) == (52, ["OPEN", "CLOSED", "SUMMARY"])


def test_a_pause_within_the_gap() -> None:
    """A pause that is allowed is no fault, but its length is known."""
    options = ("--duration", "1", "--gap", "20", "--json")
    done = probe(echo_once, pause(GAP_S), echo(), options=options)
    assert done.code == 0
    assert objects(done)[-1]["longest_pause_ms"] >= 100


def test_reset() -> None:
    """A reset is RESET, at once, and says when and at which byte."""
    done = probe(echo_once, reset(), options=("--duration", "600", "--json"))
    _, end, held = objects(done)
    assert (done.code, end["outcome"], end["offset"]) == (56, "RESET", 512)
    assert 0 < end["elapsed_ms"] < PATIENCE_S * 1000
    assert (held["exit"], held["returned_bytes"]) == (56, 512)


def test_a_pause_that_ends_in_a_reset() -> None:
    """The pause before the end counts, though no byte ended it."""
    options = ("--duration", "600", "--interval", "60", "--gap", "20", "--json")
    done = probe(pause(PAUSE_S), reset(), options=options)
    assert objects(done)[-1]["longest_pause_ms"] >= PAUSE_S * 1000 / 2


@pytest.mark.parametrize(
    "options", [(), ("--duration", "600")], ids=["near the end", "long before"]
)
def test_a_peer_that_closes(options: tuple[str, ...]) -> None:
    """E2: a peer that ends the conversation before we do is CLOSED."""

    def close_well(caller: socket.socket) -> None:
        caller.shutdown(socket.SHUT_WR)
        while caller.recv(65536):
            pass

    done = probe(echo_once, close_well, options=options)
    assert (done.code, done.words) == (52, ["OPEN", "CLOSED", "SUMMARY"])
    assert ": the peer closed (512 bytes came back)" in done.out


def test_a_peer_that_loses_the_tail() -> None:
    """E3: EOF after our half-close, but before the last byte, is CLOSED."""

    def lose_the_tail(caller: socket.socket) -> None:
        received = b""
        while data := caller.recv(65536):
            received += data
        caller.sendall(received[:-1])

    done = probe(lose_the_tail, options=("--gap", "20"))
    assert (done.code, done.words) == (52, ["OPEN", "CLOSED", "SUMMARY"])
    assert ": the peer closed early (" in done.out


def test_a_peer_that_does_not_close() -> None:
    """E3: all came back, but no EOF follows our half-close: TIMEOUT after --timeout."""
    over = threading.Event()
    with Peer(echo(), wait_for(over)) as peer:
        done = run("probe", "hold", peer.address, *SHORT, "--timeout", "0.3")
        over.set()
    assert (done.code, done.words) == (28, ["OPEN", "TIMEOUT", "SUMMARY"])


def test_a_wrong_byte() -> None:
    """E1: a changed byte is WRONG, at once, and its offset in the whole is named."""

    def change_the_third(caller: socket.socket) -> None:
        for change in (0, 0, 1):
            data = b""
            while len(data) < 512:
                data += caller.recv(512 - len(data))
            caller.sendall(bytes([data[0] ^ change]) + data[1:])

    done = probe(change_the_third, options=("--duration", "600"))
    assert (done.code, done.words) == (1, ["OPEN", "WRONG", "SUMMARY"])
    assert "the byte at offset 1024 is 0x" in done.out


def test_more_than_was_sent() -> None:
    """E1: a byte that nobody sent is WRONG."""
    done = probe(echo(lambda data: data + b"!"), options=("--duration", "600", "--interval", "60"))
    assert done.words == ["OPEN", "WRONG", "SUMMARY"]
    assert "more came back than the 512 bytes sent (512 bytes came back)" in done.out


def test_a_peer_that_reads_nothing() -> None:
    """E4: a full connection is a pause, and what does not fit has to wait: TIMEOUT."""
    over = threading.Event()
    often = ("--size", "65536", "--interval", "0.001", "--gap", "0.2")
    with Peer(wait_for(over)) as peer:
        limits = ("--duration", "1.5", "--timeout", "0.3")
        done, cost = measure("probe", "hold", peer.address, *often, *limits)
        over.set()
    assert (done.code, done.words) == (28, ["OPEN", "PAUSE", "TIMEOUT", "SUMMARY"])
    assert cost.processor_s < cost.seconds / 4  # waits, and does not ask again and again


def test_expectation() -> None:
    """--expect holds for the end of the connection."""
    done = probe(echo_once, reset(), options=("--expect", "RESET,TIMEOUT"))
    assert (done.code, done.words) == (0, ["OPEN", "OK", "SUMMARY"])
    assert "\nOK expected RESET,TIMEOUT got RESET " in done.out
    with refusing() as address:
        done = run("probe", "hold", address, "--expect", "OK")
    assert (done.code, done.words) == (1, ["WRONG"])


@pytest.mark.usefixtures("interruptible")
@STOPS
@pytest.mark.parametrize("form", [(), ("--json",)], ids=["text", "json"])
def test_interrupt(form: tuple[str, ...], number: signal.Signals) -> None:
    """Ctrl-C and its like end it with the summary, and exit with 130."""
    with Peer(echo_once, echo()) as peer:
        process = start("probe", "hold", peer.address, "--interval", "0.01", *form)
        assert process.stdout
        opened = process.stdout.readline()
        done = stop(process, number)
    assert opened
    assert (done.code, done.err, done.out.count("\n")) == (130, "", 1)
    if form:
        (held,) = objects(done)
        assert (held["type"], held["exit"]) == ("held", 130)
    else:
        assert done.out.startswith("SUMMARY ")
        assert done.out.endswith("; interrupted\n")


def test_nothing_is_summed_up_without_a_connection() -> None:
    """A connection that was never made has an outcome, and no summary."""
    with refusing() as address:
        done = run("probe", "hold", address)
        (end,) = objects(run("probe", "hold", address, "--json"))
    assert (done.code, done.words) == (7, ["REFUSED"])
    assert (end["outcome"], end["exit"], end["offset"]) == ("REFUSED", 7, 0)


def test_half_close() -> None:
    """E3: in the end our side is half-closed, and what comes then is still read."""
    done = probe(expect_end_of_echo(), options=("--gap", "20"))
    assert (done.code, done.words) == (0, ["OPEN", "OK", "SUMMARY"])


def expect_end_of_echo() -> Step:
    """Collect all, and send it back once the caller has half-closed."""

    def step(caller: socket.socket) -> None:
        received = b""
        while data := caller.recv(65536):
            received += data
        caller.sendall(received)
        expect_end()(caller)

    return step

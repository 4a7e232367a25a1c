"""--expect and --wait: what is good, and how long to try for it."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator

import pytest

from peer import PATIENCE_S, Peer, Step, echo, expect, refusing, refusing_datagrams, send
from process.clients.tool import Run, Tool, run, start, stop, withstand

REQUEST = expect(b"HEAD / HTTP/1.0\r\n\r\n")
LINE = b"Sun Aug 29 17:25:19 EST 2010\r\n"

ANSWERS: dict[Tool, list[Step]] = {
    ("headinfo",): [REQUEST, send(b"HTTP/1.0 200 OK\r\n\r\n")],
    ("probe", "daytime"): [send(LINE)],
    ("probe", "echo"): [echo()],
}
TOOLS = pytest.mark.parametrize("tool", ANSWERS, ids=" ".join)


def verdict(tool: Tool, *arguments: str) -> tuple[str, int]:
    """The beginning of the line that tells the outcome, and the exit code; JSON says the same."""
    done = withstand(tool, *arguments)
    facts = json.loads(run(*tool, *arguments, "--json").out)
    line = (done.err if tool == ("headinfo",) else done.out).splitlines()[-1]
    assert (facts["outcome"], facts["exit"]) == (line.split()[0], done.code)
    words = line.partition(" 127.0.0.1:")[0]
    got = "" if facts["expected"] == [facts["got"]] else f" got {facts['got']}"
    assert words == f"{facts['outcome']} expected {','.join(facts['expected'])}{got}"
    return words, done.code


@TOOLS
def test_closed_is_correct(tool: Tool) -> None:
    """A refusal that was expected is OK, and an answer instead is WRONG."""
    with refusing() as address:
        assert verdict(tool, address, "--expect", "REFUSED") == ("OK expected REFUSED", 0)
    with Peer(*ANSWERS[tool]) as peer:
        found = verdict(tool, peer.address, "--expect", "REFUSED")
    assert found == ("WRONG expected REFUSED got OK", 1)


@TOOLS
def test_one_of_several(tool: Tool) -> None:
    """Any of the expected outcomes is OK, and the line says which it was."""
    with refusing() as address:
        found = verdict(tool, address, "--expect", "TIMEOUT,REFUSED,OK")
    assert found == ("OK expected TIMEOUT,REFUSED,OK got REFUSED", 0)


@TOOLS
def test_an_expected_answer(tool: Tool) -> None:
    """With `--expect OK` whatever is not OK is WRONG, with the word that says why."""
    with Peer(*ANSWERS[tool]) as peer:
        assert verdict(tool, peer.address, "--expect", "OK") == ("OK expected OK", 0)
    with refusing() as address:
        found = verdict(tool, address, "--expect", "OK")
    assert found == ("WRONG expected OK got REFUSED", 1)


@pytest.mark.parametrize("protocol", ["daytime", "echo"])
def test_over_udp(protocol: str) -> None:
    """A port that is closed to datagrams can be expected, too."""
    with refusing_datagrams() as address:
        done = run("probe", protocol, address, "--udp", "--expect", "REFUSED")
    assert done.out.startswith(f"OK expected REFUSED {address} over UDP at {address} in answer ")
    assert done.code == 0


def test_several_tries() -> None:
    """The summary counts what was expected as ok, and its code that of the first that was not."""
    with replying(b"", LINE, b"") as peer:
        options = ("--count", "3", "--interval", "0.01", "--expect", "CLOSED")
        done = run("probe", "daytime", peer.address, *options)
    assert done.words == ["OK", "WRONG", "OK", "SUMMARY"]
    assert " 3 sent, 2 ok, 1 failed (WRONG 1); " in done.out
    assert done.code == 1


def replying(*replies: bytes) -> Peer:
    """A daytime peer that has a reply for each caller; an empty one just closes."""
    each: Iterator[bytes] = iter(replies)
    return Peer(lambda caller: caller.sendall(next(each)))


def waited(peer: Peer, *options: str) -> Run:
    """Run the tool against a peer that is soon to be as expected."""
    with peer:
        return run("probe", "daytime", peer.address, "--wait", "20", *options)


def test_wait() -> None:
    """Tries before the first that is OK are not told, and the line is that of one try."""
    done = waited(replying(b"", b"wrong\n", LINE))
    assert (done.code, done.words) == (0, ["OK"])


def test_wait_for_the_end() -> None:
    """What is waited for may be that a service has gone."""
    done = waited(replying(LINE, LINE, b""), "--expect", "CLOSED,REFUSED")
    assert done.out.startswith("OK expected CLOSED,REFUSED got CLOSED ")


@pytest.mark.parametrize("form", [(), ("--json",)], ids=["text", "json"])
def test_wait_and_go_on(form: Tool) -> None:
    """With --count the first success begins the series, and a failure later is one."""
    several = ("--count", "3", "--interval", "0.01", *form)
    done = waited(replying(b"", b"", LINE, b"", LINE), *several)
    assert done.code == 52
    if form:
        *tries, summary = [json.loads(line) for line in done.out.splitlines()]
        assert [(each["try"], each["outcome"]) for each in tries] == [
            (1, "OK"),
            (2, "CLOSED"),
            (3, "OK"),
        ]
        assert (summary["sent"], summary["ok"]) == (3, 2)
    else:
        assert done.words == ["OK", "CLOSED", "OK", "SUMMARY"]


@pytest.mark.fault("`--wait` expires")
@TOOLS
def test_wait_in_vain(tool: Tool) -> None:
    """When time is over the last outcome is told, once, and the code is its own."""
    with refusing() as address:
        done = withstand(tool, address, "--wait", "0.5")
    assert done.outcome == ("REFUSED", 7)
    assert (done.out + done.err).count("\n") == 1


@pytest.mark.fault("`--wait` expires")
@TOOLS
def test_wait_for_silence(tool: Tool) -> None:
    """A try that would outlast the waiting is ended with it."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        done = run(*tool, address, "--wait", "0.5", "--timeout", "600")
    assert done.outcome == ("TIMEOUT", 28)


def test_wait_in_vain_for_a_series() -> None:
    """A series that was waited for in vain is not begun: one line, and the summary of it."""
    with refusing() as address:
        done = run("probe", "echo", address, "--wait", "0.3", "--count", "5")
    assert done.words == ["REFUSED", "SUMMARY"]
    assert done.code == 7


@TOOLS
@pytest.mark.usefixtures("interruptible")
def test_interrupt_of_waiting(tool: Tool) -> None:
    """Ctrl-C while waiting is quiet and exits with 130."""
    called = threading.Semaphore(0)
    with Peer(lambda _: called.release()) as peer:
        process = start(*tool, peer.address, "--wait", "600")
        assert all(called.acquire(timeout=PATIENCE_S) for _ in range(3))
        done = stop(process)
    assert (done.code, done.out, done.err) == (130, "", "")

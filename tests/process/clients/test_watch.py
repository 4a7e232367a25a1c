"""probe watch as a process: what it tells while it runs, and the report it leaves."""

from __future__ import annotations

import json
import re
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from peer import PATIENCE_S, DatagramPeer, Peer, Step, echo, refusing, reset, send, wait_for
from process.clients.tool import Run, Tool, finish, run, show, start, stop
from server_process import ServerProcess, free_port, wait_until

DAYTIME: Tool = ("probe", "watch", "daytime")
ECHO: Tool = ("probe", "watch", "echo")

NOT_OVER = "The run was not over when this was written."
LINE = b"Sun Aug 29 17:25:19 EST 2010\r\n"
QUICK = ("--interval", "0.01")
TIME = r"[0-2][0-9]:[0-5][0-9]:[0-6][0-9]"
# Printable text, a line rewritten, and colours.
ON_TERMINAL = rb"(?:[ -~]|\r|\r\n|\x1b\[K|\x1b\[(?:1;3[12]|0)m)*"


def line(identity: str) -> bytes:
    """What a daytime server of that name sends."""
    return LINE[:-2] + f" {identity}\r\n".encode()


def in_turn(*steps: Step) -> Step:
    """A step for each caller; all further ones get the last."""
    left = list(steps)
    return lambda caller: (left.pop(0) if len(left) > 1 else left[0])(caller)


def without_times(done: Run) -> list[str]:
    """The lines of a run; all but the summary begin with the time."""
    *lines, summary = done.out.splitlines()
    assert all(re.match(f"{TIME} ", each) for each in lines), lines
    return [*(each[9:] for each in lines), summary]


def objects(done: Run) -> list[dict[str, Any]]:
    """The JSON objects of a run."""
    return [json.loads(each) for each in done.out.splitlines()]


def test_lines() -> None:
    """Elsewhere than on a terminal: news, a line on the tries, the summary, and exit 0."""
    with Peer(send(line("web-1"))) as peer:
        done = run(*DAYTIME, peer.address, "--count", "3", *QUICK)
    begins, first, interval, summary = without_times(done)
    assert (begins, first) == ("begins OK", "first answer by web-1")
    assert re.fullmatch(
        r"OK [0-9.]+/s p50 [0-9.]+ p99 [0-9.]+ ms; 3 of 3 ok; web-1 3",
        interval,
    )
    assert summary.startswith(f"SUMMARY {peer.address} 3 sent, 3 ok, 0 failed; ")
    assert summary.endswith("; by identity: web-1 3")
    assert (done.code, done.err) == (0, "")


def test_changes() -> None:
    """What changes is told, with the reason and the length of the gap; the first failure decides
    the exit code.
    """
    turns = in_turn(send(line("web-1")), reset(), lambda _: None, send(line("web-2")))
    with Peer(turns) as peer:
        done = run(*DAYTIME, peer.address, "--count", "5", *QUICK)
    *news, interval, summary = without_times(done)
    assert [re.sub(r"[0-9.]+ s|: .*", "", each) for each in news] == [
        "begins OK",
        "first answer by web-1",
        "OK -> RESET",
        "RESET -> CLOSED",
        "CLOSED -> OK after a gap of ",
        "first answer by web-2",
    ]
    assert news[3].endswith(": the peer closed without a byte")
    assert "3 of 5 ok (RESET 1, CLOSED 1); web-2 2, web-1 1" in interval
    assert re.search("; 1 gap, the longest [0-9.]+ s$", summary)
    assert done.code == 56


def test_a_gap_without_an_end() -> None:
    """A gap that is not over in the end is told in the summary, also after SIGTERM."""
    with Peer(in_turn(echo(), reset())) as peer:
        process = start(*ECHO, peer.address, *QUICK)
        assert process.stdout
        while b"RESET" not in process.stdout.readline():
            pass
        done = stop(process, signal.SIGTERM)
    *_, summary = done.out.splitlines()
    told = (
        "; 1 gap, the longest [0-9.]+ s, the last not over(; [0-9.]+ s into a try)?; interrupted$"
    )
    assert re.search(f"{told}$", summary)
    assert done.code == 130


def test_at_once() -> None:
    """A change is told when it happens, though the next line is hours away."""
    go_on = threading.Event()
    with Peer(in_turn(echo(), reset(), wait_for(go_on))) as peer:
        process = start(*ECHO, peer.address, "--count", "3", "--every", "9999", *QUICK)
        assert process.stdout
        heard = [process.stdout.readline().decode() for _ in range(3)]
        assert process.poll() is None
        go_on.set()
        done = finish(process)
    assert heard[2][9:].startswith("OK -> RESET: ")
    assert "1 of 3 ok" in done.out


def test_every() -> None:
    """Each line is about the tries since the one before; together they are about all."""
    with Peer(echo()) as peer:
        done = run(*ECHO, peer.address, "--count", "20", "--every", "0.05", *QUICK)
    counts = [int(count) for count in re.findall(r" of ([0-9]+) ok", done.out)]
    assert sum(counts) == 20
    assert len(counts) > 1


def test_json() -> None:
    """--json has the same as objects, each of which says of what it is."""
    with Peer(in_turn(send(line("web-1")), reset(), send(line("web-1")))) as peer:
        done = run(*DAYTIME, peer.address, "--count", "4", "--every", "0.02", "--json", *QUICK)
    found = objects(done)
    of = ("schema", "protocol", "target", "transport")
    assert {tuple(each[name] for name in of) for each in found} == {
        (1, "daytime", peer.address, "tcp")
    }
    news = [each for each in found if each["type"] not in ("interval", "summary")]
    assert [each["type"] for each in news] == ["change", "first_answer", "change", "change"]
    assert [each.get("to", each.get("by")) for each in news] == ["OK", "web-1", "RESET", "OK"]
    assert news[3]["gap_ms"] > 0
    intervals = [each for each in found if each["type"] == "interval"]
    assert sum(each["sent"] for each in intervals) == 4
    assert sum(each["failed"].get("RESET", 0) for each in intervals) == 1
    summary = found[-1]
    assert (summary["type"], summary["exit"], summary["sent"]) == ("summary", done.code, 4)
    assert (summary["gaps"], summary["gap_open"]) == (1, False)
    assert summary["longest_gap_ms"] == news[3]["gap_ms"]
    assert done.code == 56


def test_expectation() -> None:
    """With --expect REFUSED a closed port is as it should be."""
    with refusing() as address:
        done = run(*ECHO, address, "--count", "2", "--expect", "REFUSED", *QUICK)
    begins, interval, summary = without_times(done)
    assert begins == "begins REFUSED: Connection refused"
    assert interval.endswith("; 2 of 2 ok")
    assert " 2 sent, 2 ok, 0 failed; got REFUSED 2; " in summary
    assert done.code == 0


@pytest.mark.parametrize(
    ("protocol", "reply"), [("daytime", lambda _: LINE), ("echo", lambda asked: asked)]
)
def test_udp(protocol: str, reply: Callable[[bytes], bytes]) -> None:
    """Over UDP every try is a datagram, and the report and the summary say so."""
    with DatagramPeer(reply) as peer:
        done = run("probe", "watch", protocol, peer.address, "--udp", "--count", "2", *QUICK)
    assert f"SUMMARY {peer.address} over UDP 2 sent, 2 ok" in done.out
    assert (done.code, len(peer.asked)) == (0, 2)


def test_until_stopped() -> None:
    """Without --count it goes on until it is stopped."""
    answered = threading.Semaphore(0)
    with Peer(echo(), lambda _: answered.release()) as peer:
        process = start(*ECHO, peer.address, "--interval", "0.001")
        for _ in range(20):
            assert answered.acquire(timeout=PATIENCE_S)
        done = stop(process, signal.SIGTERM)
    assert done.code == 130
    assert done.out.endswith("; interrupted\n")


def rewritten(shown: bytes) -> tuple[list[str], list[str]]:
    """What a terminal got: states of the live line, and lines that stayed, without colours."""
    shown = re.sub(rb"\x1b\[[0-9;]*m", b"", shown)
    states, stayed = [], []
    for part in shown.decode("ascii").split("\r\n"):
        *before, last = part.split("\r")
        states += [state.removesuffix("\x1b[K") for state in before]
        stayed.append(last.removeprefix("\x1b[K"))
    return list(filter(None, states)), list(filter(None, stayed))


def test_terminal() -> None:
    """On a terminal there is one line, rewritten with each try and cut to the width; news stay."""
    with Peer(in_turn(echo(), reset(), echo())) as peer:
        arguments = (peer.address, "--count", "5", "--interval", "0.15")
        shown = show(ECHO, *arguments, COLUMNS="60")
    assert re.fullmatch(ON_TERMINAL, shown)
    states, stayed = rewritten(shown)
    assert all(re.match(rf"{TIME} (OK|RESET)(;| )", state) for state in states), states
    counts = [re.findall("[0-9]+ of [0-9]+ ok", state)[0] for state in states]
    assert counts[:3] == ["1 of 1 ok", "1 of 2 ok", "2 of 3 ok"]  # news do not wait
    assert max(len(state) for state in states) == 59
    assert all(len(state) < 59 or state.endswith("...") for state in states)
    assert [each.split()[1] for each in stayed] == ["begins", "first", "OK", "RESET", peer.address]
    good, bad = rb"\x1b\[1;32mOK\x1b\[0m", rb"\x1b\[1;31mRESET\x1b\[0m"
    assert re.search(TIME.encode() + b" begins " + good + b"\r\n", shown)
    assert re.search(TIME.encode() + b" OK -> " + bad + b": ", shown)
    assert re.search(rb"\r" + TIME.encode() + b" " + bad + b" [ -~]*1 of 2 ok", shown)


@pytest.mark.parametrize("environment", [{"TERM": "dumb"}, {"TERM": ""}], ids=str)
def test_dumb_terminal(environment: dict[str, str]) -> None:
    """A terminal that cannot rewrite gets lines."""
    with Peer(echo()) as peer:
        shown = show(ECHO, peer.address, "--count", "2", *QUICK, **environment)
    assert b"\x1b" not in shown
    assert shown.count(b"\r") == shown.count(b"\r\n") == 4


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Path]:
    """Where a report goes; nothing else may be left there."""
    yield tmp_path / "report.html"
    assert [each.name for each in tmp_path.iterdir()] == ["report.html"]


@pytest.mark.usefixtures("interruptible")
def test_restart_shows_in_the_report(page: Path) -> None:
    """A run across a restart of the server shows the gap, and which replica answered when."""
    port = str(free_port())
    with ServerProcess("daytime", "--port", port, "--identity", "web-1") as server:
        process = start(*DAYTIME, f"127.0.0.1:{port}", "--report", str(page), "--interval", "0.02")
        server.connections(3)
        server.stop()
    assert process.stdout
    heard = [process.stdout.readline().decode() for _ in range(3)]
    assert "OK -> REFUSED" in heard[2]
    with ServerProcess("daytime", "--port", port, "--identity", "web-2") as server:
        server.connections(3)
        done = stop(process)
    assert "REFUSED -> OK after a gap of " in done.out
    assert "first answer by web-2" in done.out
    text = page.read_text()
    assert re.search(r"\d+ of \d+ tries were as expected; 1 gap, the longest [0-9.]+ s\.", text)
    (gap,) = re.findall(r'<rect class="gap"[^>]*><title>gap of ([0-9.]+) s</title>', text)
    assert float(gap) > 0
    assert re.search(rf"<td>{gap}</td><td>REFUSED \d+</td>", text)
    for replica in ("web-1", "web-2"):
        assert re.search(rf'<th scope="row">{replica}</th><td>\d+</td><td>{TIME}\.\d</td>', text)


def test_report_to_stdout() -> None:
    """With --report - the page alone is on stdout, and the lines are on stderr."""
    with Peer(echo()) as peer:
        done = run(*ECHO, peer.address, "--report", "-", "--count", "2", *QUICK)
    assert done.out.startswith("<!DOCTYPE html>")
    assert done.out.endswith("</html>\n")
    begins, *_, summary = done.err.splitlines()
    assert begins.endswith(" begins OK")
    assert summary.startswith("SUMMARY ")
    assert done.code == 0


def test_report_replaces(page: Path) -> None:
    """A report takes the place of the one before from the beginning on, always whole."""
    page.write_text("before")
    go_on = threading.Event()
    with Peer(in_turn(echo(), wait_for(go_on))) as peer:
        process = start(*ECHO, peer.address, "--report", str(page), "--count", "2", *QUICK)
        assert process.stdout
        process.stdout.readline()
        assert "0 of 0 tries were as expected." in page.read_text()
        assert NOT_OVER in page.read_text()
        go_on.set()
        finish(process)
    assert "1 of 2 tries were as expected;" in page.read_text()
    assert NOT_OVER not in page.read_text()
    assert page.read_text().endswith("</html>\n")


@pytest.mark.fault("SIGKILL of `watch`")
def test_report_of_a_run_that_goes_on(page: Path) -> None:
    """The report is written anew while the run goes on, so that a kill leaves what there was."""
    go_on = threading.Event()
    with Peer(in_turn(send(line("web-1")), wait_for(go_on))) as peer:
        arguments = ("--report", str(page), "--every", "0.000001", *QUICK)
        process = start(*DAYTIME, peer.address, *arguments)
        assert process.stdout
        process.stdout.readline()
        wait_until(lambda: "1 of 1 tries were as expected." in page.read_text(), "the first try")
        process.kill()
        go_on.set()
        finish(process)
    assert NOT_OVER in page.read_text()
    assert "web-1" in page.read_text()
    assert page.read_text().endswith("</html>\n")


@pytest.mark.fault("Ctrl-C, SIGTERM or SIGHUP while an attempt waits for an answer")
def test_a_try_under_way(page: Path) -> None:
    """Stopped in a try, it says how long that had taken: silence is no good news."""
    asked, over = threading.Event(), threading.Event()

    def say_nothing(_: socket.socket) -> None:
        asked.set()
        assert over.wait(PATIENCE_S)

    with Peer(in_turn(echo(), say_nothing)) as peer:
        arguments = (*QUICK, "--timeout", "60", "--json", "--report", str(page))
        process = start(*ECHO, peer.address, *arguments)
        assert asked.wait(PATIENCE_S)
        done = stop(process, signal.SIGTERM)
        over.set()
    summary = objects(done)[-1]
    assert (summary["sent"], summary["ok"], summary["gaps"]) == (1, 1, 0)
    assert summary["unfinished_ms"] > 0
    assert re.search(r"last try, not over</th><td>[0-9.]+ s</td>", page.read_text())

"""probe watch when things go wrong: it ends in time, small and quiet, and its report is written."""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from peer import (
    PATIENCE_S,
    DatagramPeer,
    Peer,
    Step,
    black_hole,
    echo,
    finish_sending,
    receive_all,
    refusing,
    repeat,
    reset,
    send,
    wait_for,
)
from process.clients.test_faults_ending import reader_who_does_not_read
from process.clients.test_watch import NOT_OVER, ON_TERMINAL
from process.clients.tool import (
    DISTANT_S,
    LAUNCHER,
    STOPS,
    TIMEOUT_S,
    Tool,
    finish,
    run,
    show,
    start,
    start_python,
    stop,
    withstand,
)
from server_process import ServerProcess, is_connecting, is_writing, wait_until

DAYTIME: Tool = ("probe", "watch", "daytime")
ECHO: Tool = ("probe", "watch", "echo")
PROTOCOLS = pytest.mark.parametrize("tool", [DAYTIME, ECHO], ids=" ".join)

LINE = b"Sun Aug 29 17:25:19 EST 2010\r\n"
QUICK = ("--interval", "0.01")

# A look-up that says when it has begun, and never ends.
SILENT_RESOLVER = """
import socket, time
socket.getaddrinfo = lambda *_: (print("asked", flush=True), time.sleep(60))
"""
# An import that the user interrupts.
INTERRUPTED_IMPORT = """
import os, signal, sys
class Interrupted:
    def find_spec(name, *_):
        if name == "probes.cli.watch":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupted)
"""
# More names than are kept, so that the last ones are not.
NAMES = 1100


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Path]:
    """Where a report goes, and must be at the end, and nothing else."""
    yield tmp_path / "report.html"
    assert [each.name for each in tmp_path.iterdir()] == ["report.html"]
    assert (tmp_path / "report.html").read_text().endswith("</html>\n")


def outcomes(page: Path) -> dict[str, int]:
    """What the report says of outcomes."""
    table = page.read_text().partition("<h2>Outcomes</h2>")[2].partition("</table>")[0]
    rows = re.findall(r'<th scope="row">(\w+)</th><td>\w+</td><td>(\d+)</td>', table)
    return {word: int(count) for word, count in rows}


@PROTOCOLS
@pytest.mark.parametrize(
    ("script", "word", "code"),
    [
        ([reset()], "RESET", 56),
        ([finish_sending(), receive_all()], "CLOSED", 52),
        ([send(b"\x00"), finish_sending(), receive_all()], "WRONG", 1),
    ],
    ids=["reset", "closed", "nonsense"],
)
def test_failures(tool: Tool, script: list[Step], word: str, code: int, page: Path) -> None:
    """What fails every time is told, counted and reported, and decides the exit code."""
    with Peer(*script) as peer:
        arguments = (peer.address, "--count", "3", *QUICK, "--report", str(page))
        done = withstand(tool, *arguments)
    assert f"begins {word}: " in done.out
    assert f"3 failed ({word} 3)" in done.out
    assert (done.code, outcomes(page)) == (code, {word: 3})
    assert "not over" in page.read_text()


@PROTOCOLS
@pytest.mark.parametrize(
    ("nobody", "word", "code"), [(refusing, "REFUSED", 7), (black_hole, "TIMEOUT", 28)]
)
def test_nobody_there(
    tool: Tool,
    nobody: Callable[[], AbstractContextManager[str]],
    word: str,
    code: int,
    page: Path,
) -> None:
    """Nobody who listens, or who answers to a SYN, is REFUSED or TIMEOUT in time."""
    limit = TIMEOUT_S if word == "TIMEOUT" else DISTANT_S
    with nobody() as address:
        done = withstand(tool, address, "--count", "1", "--report", str(page), timeout_s=limit)
    assert (done.code, outcomes(page)) == (code, {word: 1})


@pytest.mark.parametrize(
    ("tool", "script"),
    [(DAYTIME, []), (ECHO, []), (DAYTIME, [repeat(b"x", 0.01)])],
    ids=["daytime", "echo", "drip"],
)
def test_slow(tool: Tool, script: list[Step], page: Path) -> None:
    """Silence, and a byte now and then for ever, do not hold it up beyond a try's deadline."""
    over = threading.Event()
    with Peer(*script, wait_for(over)) as peer:
        arguments = (peer.address, "--count", "1", "--report", str(page))
        done = withstand(tool, *arguments, timeout_s=TIMEOUT_S)
        over.set()
    assert (done.code, outcomes(page)) == (28, {"TIMEOUT": 1})


def test_target_dies(page: Path) -> None:
    """A server that is killed in mid-answer ends one try, and is REFUSED from then on."""
    with ServerProcess("echo") as server:
        arguments = ("--size", str(64 << 20), "--count", "4", *QUICK, "--report", str(page))
        process = start(*ECHO, f"127.0.0.1:{server.port}", *arguments)
        before = server.cpu_seconds()
        wait_until(lambda: server.cpu_seconds() > before + 0.02, "an echo under way")
        server.process.kill()
        done = finish(process)
    assert " -> REFUSED: " in done.out
    assert outcomes(page)["REFUSED"] >= 1
    assert sum(outcomes(page).values()) == 4
    assert done.code in (52, 56)


def interrupt(process: subprocess.Popen[bytes], number: signal.Signals, page: Path) -> None:
    """Stop a watch in its first try: it exits with 130, quietly, with a summary and a report."""
    done = stop(process, number)
    assert (done.code, done.err) == (130, "")
    told = r"SUMMARY \S+( over UDP)? 0 sent, 0 ok, 0 failed; [0-9.]+ s into a try; interrupted\n"
    assert re.fullmatch(told, done.out)
    assert page.exists()


@STOPS
@pytest.mark.usefixtures("interruptible")
def test_stop_in_lookup(number: signal.Signals, page: Path) -> None:
    """Stopped while the resolver is silent, before any try has ended."""
    program = SILENT_RESOLVER + LAUNCHER.format(tool="probe")
    arguments = ("host:80", "--report", str(page))
    process = start_python("-c", program, *DAYTIME[1:], *arguments)
    assert process.stdout
    assert process.stdout.readline() == b"asked\n"
    interrupt(process, number, page)


@STOPS
@pytest.mark.usefixtures("interruptible")
def test_stop_in_connect(number: signal.Signals, page: Path) -> None:
    """Stopped while nobody answers the SYN."""
    with black_hole() as address:
        process = start(*ECHO, address, "--report", str(page))
        wait_until(lambda: is_connecting(process.pid), "a SYN")
        interrupt(process, number, page)


@pytest.mark.fault("Ctrl-C, SIGTERM or SIGHUP, within an attempt or between two")
@STOPS
@PROTOCOLS
@pytest.mark.usefixtures("interruptible")
def test_stop_in_answer(tool: Tool, number: signal.Signals, page: Path) -> None:
    """Stopped while waiting for an answer."""
    asked, over = threading.Event(), threading.Event()
    with Peer(lambda _: asked.set(), wait_for(over)) as peer:
        process = start(*tool, peer.address, "--report", str(page))
        assert asked.wait(PATIENCE_S)
        try:
            interrupt(process, number, page)
        finally:
            over.set()


@STOPS
@PROTOCOLS
@pytest.mark.usefixtures("interruptible")
def test_stop_over_udp(tool: Tool, number: signal.Signals, page: Path) -> None:
    """Stopped while waiting for a datagram."""
    asked = threading.Event()
    with DatagramPeer(lambda _: asked.set()) as peer:
        process = start(*tool, peer.address, "--udp", "--report", str(page))
        assert asked.wait(PATIENCE_S)
        interrupt(process, number, page)


@pytest.mark.fault("Ctrl-C, SIGTERM or SIGHUP, within an attempt or between two")
@STOPS
@pytest.mark.usefixtures("interruptible")
def test_stop_between_tries(number: signal.Signals, page: Path) -> None:
    """Stopped in the pause between two tries."""
    with Peer(echo()) as peer:
        arguments = ("--interval", "600", "--report", str(page), "--json")
        process = start(*ECHO, peer.address, *arguments)
        assert process.stdout
        process.stdout.readline()  # the outcome of the first try
        process.stdout.readline()  # who answered
        done = stop(process, number)
    summary = json.loads(done.out.splitlines()[-1])
    assert (summary["exit"], summary["ok"], done.code, done.err) == (130, 1, 130, "")
    assert outcomes(page) == {"OK": 1}


@pytest.mark.usefixtures("interruptible")
def test_stop_at_start() -> None:
    """Ctrl-C while modules are still being imported is quiet and exits with 130."""
    program = INTERRUPTED_IMPORT + LAUNCHER.format(tool="probe")
    with refusing() as address:
        done = finish(start_python("-c", program, *DAYTIME[1:], address))
    assert (done.code, done.out, done.err) == (130, "", "")


@pytest.mark.fault("a stdout that is no longer read")
@pytest.mark.parametrize("form", [(), ("--json",)], ids=["text", "json"])
def test_nobody_reads_on(form: Tool, page: Path) -> None:
    """When nobody reads any more it ends quietly, with the code of SIGPIPE, and the report."""
    with Peer(echo()) as peer:
        arguments = ("--every", "0.01", "--report", str(page), *form)
        process = start(*ECHO, peer.address, *QUICK, *arguments)
        assert process.stdout
        process.stdout.readline()
        process.stdout.close()
        with process:
            assert process.wait(PATIENCE_S) == 141
            assert process.stderr
            assert process.stderr.read() == b""
    assert outcomes(page)["OK"] >= 1
    assert NOT_OVER not in page.read_text()


@pytest.mark.fault("Ctrl-C, SIGTERM or SIGHUP at a full pipe")
@STOPS
@pytest.mark.usefixtures("interruptible")
def test_stop_at_a_full_pipe(number: signal.Signals, page: Path) -> None:
    """Stopped while nobody reads what it writes, it leaves the whole report at the first signal."""
    program = LAUNCHER.format(tool="probe")
    with Peer(echo()) as peer, reader_who_does_not_read() as (_, stdout):
        arguments = [*ECHO[1:], peer.address, *QUICK, "--every", "0.01", "--json"]
        process = start_python("-c", program, *arguments, "--report", str(page), stdout=stdout)
        wait_until(lambda: is_writing(process.pid), "a full pipe")
        process.send_signal(number)
        wait_until(lambda: NOT_OVER not in page.read_text(), "the report")
        process.kill()
        finish(process)


@pytest.mark.fault("a report that cannot be written at the start")
@pytest.mark.parametrize("place", ["no/such/page.html", "new/", ".", "", "\udcff/\x1b[2J"])
def test_no_place_for_the_report(place: str, tmp_path: Path) -> None:
    """A report that cannot be written is one printable line and exit 23 before the first try."""
    with DatagramPeer(lambda asked: asked) as peer:
        path = place and f"{tmp_path}/{place}"
        done = run(*ECHO, peer.address, "--udp", "--count", "1", "--report", path)
    assert (done.code, done.out, peer.asked) == (23, "", [])
    why = "No such|not a regular|Is a directory"
    assert re.fullmatch(rf"cannot write the report '[ -~]+: ({why})[ -~]+\n", done.err)


@pytest.mark.fault("a report that cannot be written any more")
@pytest.mark.parametrize("form", [(), ("--json",)], ids=["text", "json"])
def test_place_goes_in_mid_run(form: Tool, tmp_path: Path) -> None:
    """When the report cannot be written in the end, the summary is shown, and all say exit 23."""
    directory = tmp_path / "reports"
    directory.mkdir()

    def remove(_: socket.socket) -> None:
        shutil.rmtree(directory, ignore_errors=True)

    with Peer(remove, echo()) as peer:
        path = str(directory / "page.html")
        done = run(*ECHO, peer.address, "--count", "2", *QUICK, "--report", path, *form)
    summary = done.out.splitlines()[-1]
    assert summary.startswith("SUMMARY ") if not form else json.loads(summary)["exit"] == 23
    assert done.code == 23
    assert re.fullmatch(r"cannot write the report '[ -~]+': No such [ -~]+\n", done.err)


@pytest.mark.fault("another identity in every answer")
def test_flood_of_names(page: Path) -> None:
    """D5: a name of its own for every answer costs neither memory nor a page without end."""
    numbers = iter(range(10_000))

    def answer(caller: socket.socket) -> None:
        caller.sendall(LINE[:-2] + b" %04d" % next(numbers) + b"<" * 60 + b"\r\n")

    with Peer(answer) as peer:
        arguments = ("--count", str(NAMES), "--interval", "0.0001", "--report", str(page))
        done = withstand(DAYTIME, peer.address, *arguments, by_s=30)
    assert done.code == 0
    assert done.out.count("first answer by") == 1000
    *_, interval, _ = done.out.splitlines()
    assert len(interval) < 500
    assert "Left out: 1000 answers by others." in page.read_text()
    assert page.stat().st_size < 256 * 1024


HOSTILE = b"\x1b]0;x\x07\x9b2J\x7f\x08\xe2\x80\xae"


@pytest.mark.parametrize("form", [(), ("--json",)], ids=["text", "json"])
def test_hostile_bytes(form: Tool, page: Path) -> None:
    """H10: what would drive a terminal is shown as escapes, and is not in the page at all."""
    with Peer(send(HOSTILE + b"\r\n")) as peer:
        arguments = (peer.address, "--count", "2", *QUICK, "--report", str(page), *form)
        done = withstand(DAYTIME, *arguments)
    assert done.code == 1
    assert rb"\x1b]0;x\x07" in done.stdout or rb"\u001b]0;x\u0007" in done.stdout
    assert re.fullmatch(rb"[\n -~]*", page.read_bytes())


@pytest.mark.fault("an identity that would be HTML")
def test_hostile_name(page: Path) -> None:
    """D5: a name may be any printable token, so also one that would be HTML: in the page it is
    text, and on a terminal it cannot break the live line.
    """
    name = "<script>alert(1)</script>\\x1b[2J"
    with Peer(send(LINE[:-2] + f" {name}\r\n".encode())) as peer:
        shown = show(DAYTIME, peer.address, "--count", "2", *QUICK, "--report", str(page))
    assert re.fullmatch(ON_TERMINAL, shown)
    text = page.read_text()
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text

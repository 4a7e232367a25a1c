"""probe conform as a process, against our services and against servers that break a duty each."""

from __future__ import annotations

import json
import signal
import socket
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from broken_servers import BROKEN, Broken
from peer import PATIENCE_S, Peer, refusing, send, wait_for
from probes.conformance.back_pressure import press
from probes.conformance.runner import CHECKS
from probes.core.outcome import Failure
from probes.core.result import Trace
from probes.core.target import Family, parse_target
from probes.net.deadline import Deadline
from probes.net.sockets import Context
from process.clients.tool import STOPS, Run, finish, run, start, stop
from relay import Relay
from server_process import ServerProcess

LINE = b"Sun Aug 29 17:25:19 UTC 2010\r\n"

# Checks that send from ports which may be taken, or not be ours to take.
BOUND = {"S1 service-port", "S1 own-port"}


def facts(done: Run) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """What JSON says of the checks, and its summary."""
    *checks, summary = map(json.loads, done.out.splitlines())
    return checks, summary


def named(checks: list[dict[str, Any]], verdict: str) -> set[str]:
    """Duty and name of the checks with a verdict."""
    return {f"{each['duty']} {each['check']}" for each in checks if each["verdict"] == verdict}


@pytest.mark.parametrize("model", ["iterative", "threaded", "evented"])
@pytest.mark.parametrize("service", CHECKS)
def test_our_services_conform(service: str, model: str) -> None:
    """Every check passes over TCP and UDP; only a port that cannot be bound is an excuse."""
    # However busy the machine is, E4 moves its 128 MiB in this time.
    options = ("--both", "--json", "--timeout", "30")
    with ServerProcess(service, "--udp", "--host", "127.0.0.1", "--model", model) as server:
        done = run("probe", "conform", service, f"127.0.0.1:{server.port}", *options)
    checks, summary = facts(done)
    assert (done.code, summary["failed"], named(checks, "FAIL"), done.err) == (0, 0, set(), "")
    assert len(checks) == len(CHECKS[service])
    assert named(checks, "SKIP") <= BOUND


@pytest.mark.parametrize("broken", BROKEN, ids=lambda each: f"{each.protocol}, {each.flaw}")
def test_broken_servers_fail(broken: Broken) -> None:
    """A server fails the checks of the duties that it breaks, and no other."""
    over = ["--udp"] if broken.transport == "udp" else []
    # A busy machine needs more time. What fails for another reason fails then, too. E4 moves up to
    # 128 MiB, and waits for 1 s.
    for timeout in ("5", "15") if "E4 back-pressure" in broken.fails else ("1", "5"):
        options = (*over, "--timeout", timeout, "--json")
        with broken.start() as server:
            done = run("probe", "conform", broken.protocol, server.address, *options)
        checks, summary = facts(done)
        skipped = named(checks, "SKIP")
        if skipped <= BOUND and named(checks, "FAIL") == broken.fails - skipped:
            break
    assert skipped <= BOUND
    assert named(checks, "FAIL") == broken.fails - skipped
    assert (summary["failed"], summary["skipped"]) == (len(broken.fails - skipped), len(skipped))
    assert done.code == bool(summary["failed"])


def test_a_line_for_each_check() -> None:
    """Text is the verdict, the duty, what is to hold, who says so, and a reason if there is one."""
    with Peer(send(LINE)) as peer:
        done = run("probe", "conform", "daytime", peer.address)
    first, early, *_, line, summary = done.out.splitlines()
    assert first == (
        "PASS D1 TCP the time comes without input, then FIN (RFC 867, TCP Based Daytime Service)"
    )
    assert early.startswith(
        "FAIL D2 TCP input before the answer is thrown away without a reset (RFC "
    )
    assert early.endswith("): RESET no clean end (30 bytes received)")
    assert line.endswith(f"(RFC 867, Daytime Syntax; CR LF is ours): {LINE.decode().rstrip()}")
    assert summary == f"SUMMARY daytime {peer.address} 2 passed, 3 failed, 0 skipped"
    assert (done.code, done.err) == (1, "")


def test_json_of_checks() -> None:
    """--json has an object for each check and one for all, which agrees with the exit code."""
    with Peer(send(b"\x1b[31m\r\n")) as peer:
        done = run("probe", "conform", "daytime", peer.address, "--json")
    checks, summary = facts(done)
    about = {"schema": 1, "protocol": "daytime", "target": peer.address}
    assert checks[-1].pop("time") <= summary.pop("time")
    assert checks[-1].pop("elapsed_ms") > 0
    assert checks[-1] == about | {
        "type": "check",
        "verdict": "FAIL",
        "duty": "D4",
        "check": "line",
        "transport": "tcp",
        "title": "one line of printable ASCII with CR LF",
        "source": "RFC 867, Daytime Syntax; CR LF is ours",
        "reason": "WRONG not one line of printable ASCII with CR LF: '\x1b[31m\r\n'",
        "outcome": "WRONG",
        "address": peer.address,
    }
    counts = {"passed": 1, "failed": 4, "skipped": 0}
    assert summary == about | {"type": "checked", **counts, "exit": done.code}
    assert done.code == 1


def test_junit_report(tmp_path: Path) -> None:
    """--junit writes the same as XML, with a peer's bytes escaped."""
    report = tmp_path / "report.xml"
    with Peer(send(b"\0<\xff>\r\n")) as peer:
        done = run("probe", "conform", "daytime", peer.address, "--both", "--junit", str(report))
    lines = done.out.splitlines()[:-1]
    (suite,) = ElementTree.parse(report).getroot()
    assert suite.get("name") == f"daytime {peer.address}"
    assert {case.get("classname") for case in suite} == {"daytime.tcp", "daytime.udp"}
    assert suite.get("tests") == str(len(lines)) == str(len(CHECKS["daytime"]))
    for line, case in zip(lines, suite, strict=True):
        children = {child.tag: child.get("message") or str(child.text) for child in case}
        (element,) = children or ["passed"]
        assert line.startswith(f"{VERDICTS[element]} {case.get('name')}")
        assert line.endswith(children.get(element, ")"))
    assert suite.get("failures") == str(done.out.count("FAIL "))
    assert suite.get("skipped") == str(done.out.count("SKIP "))


VERDICTS = {"passed": "PASS", "failure": "FAIL", "skipped": "SKIP"}


@pytest.mark.fault("SIGKILL of `conform`")
def test_a_report_of_a_run_that_was_killed(tmp_path: Path) -> None:
    """A run that is killed leaves no older report, and none that looks as if it had passed."""
    report, asked, over = tmp_path / "report.xml", threading.Event(), threading.Event()
    report.write_text("of the run before")
    with Peer(lambda _: asked.set(), wait_for(over)) as peer:
        arguments = (peer.address, "--timeout", "60", "--junit", str(report))
        process = start("probe", "conform", "echo", *arguments)
        assert asked.wait(PATIENCE_S)
        process.kill()
        finish(process)
        over.set()
    (suite,) = ElementTree.parse(report).getroot()
    assert [suite.get(name) for name in ("tests", "errors")] == ["8", "8"]


def test_a_report_that_cannot_be_written() -> None:
    """It is told in a line and by exit code 23, before anything is sent."""
    with refusing() as address:
        done = run("probe", "conform", "echo", address, "--junit", "nowhere/report.xml")
    assert (done.code, done.out) == (23, "")
    reason = "No such file or directory; - would be stdout"
    assert done.err == f"cannot write the report 'nowhere/report.xml': {reason}\n"


def test_a_report_to_stdout() -> None:
    """With --junit - the report alone is on stdout, and the lines are on stderr."""
    with Peer(send(LINE)) as peer:
        done = run("probe", "conform", "daytime", peer.address, "--junit", "-")
    (suite,) = ElementTree.fromstring(done.out)
    *lines, summary = done.err.splitlines()
    assert (len(suite), len(lines), done.code) == (5, 5, 1)
    assert summary.startswith("SUMMARY daytime ")


@pytest.mark.parametrize("service", CHECKS)
def test_silences_are_not_the_servers_time(service: str) -> None:
    """--timeout is what a server may take: one that is quick passes in less than a pause takes."""
    limit = ("--timeout", "0.25", "--json")
    with ServerProcess(service, "--udp", "--host", "127.0.0.1") as server:
        for _ in range(5):  # a busy machine is not always quick
            done = run("probe", "conform", service, f"127.0.0.1:{server.port}", "--both", *limit)
            if done.code == 0:
                break
    checks, _ = facts(done)
    assert (done.code, named(checks, "FAIL")) == (0, set())
    assert named(checks, "SKIP") <= BOUND | {"E4 back-pressure"}  # there is much to read back


@pytest.mark.fault("three relays on the path, each with buffers of its own")
def test_relays_have_buffers_too() -> None:
    """E4: what the kernels of three relays in a row hold is not held against the server."""
    with ExitStack() as stack:
        place = stack.enter_context(ServerProcess("echo", "--host", "127.0.0.1")).port
        for _ in range(3):
            place = stack.enter_context(Relay(place, piece=65536)).port
        target = parse_target(f"127.0.0.1:{place}")
        pressure = press(Context(target, Family.IPV4, Deadline(PATIENCE_S), Trace()))
    assert pressure.is_stalled


@pytest.mark.fault("bytes that never come back after a stall")
def test_bytes_that_are_lost_after_a_stall() -> None:
    """E4: a server that falls silent with bytes owed fails, however short the time for it is."""
    over = threading.Event()

    def fall_silent(caller: socket.socket) -> None:
        owed = 1 << 20
        while owed > 0:
            data = caller.recv(min(65536, owed))
            caller.sendall(data)
            owed -= len(data)
        assert over.wait(PATIENCE_S)

    with Peer(fall_silent) as peer:
        context = Context(parse_target(peer.address), Family.IPV4, Deadline(0.5), Trace())
        with pytest.raises(Failure, match="came back after a stall"):
            press(context)
        over.set()


@pytest.mark.fault("`conform`: Ctrl-C, SIGTERM or SIGHUP")
@pytest.mark.usefixtures("interruptible")
@STOPS
def test_interrupt_of_checks(number: signal.Signals, tmp_path: Path) -> None:
    """Ctrl-C and its like end with the summary and exit code 130; in the report what was left
    unmade is an error.
    """
    report, asked, over = tmp_path / "report.xml", threading.Event(), threading.Event()

    def step(caller: socket.socket) -> None:
        if caller.recv(1):  # in the second check, since the first sends nothing
            asked.set()
            assert over.wait(PATIENCE_S)

    with Peer(step) as peer:
        arguments = (peer.address, "--timeout", "60", "--junit", str(report))
        process = start("probe", "conform", "echo", *arguments)
        assert asked.wait(PATIENCE_S)
        done = stop(process, number)
        over.set()
    first, summary = done.out.splitlines()
    assert first.startswith("PASS E1 TCP nothing comes before anything is sent")
    assert summary == f"SUMMARY echo {peer.address} 1 passed, 0 failed, 0 skipped; interrupted"
    assert (done.code, done.err) == (130, "")
    (suite,) = ElementTree.parse(report).getroot()
    assert [suite.get(name) for name in ("tests", "failures", "errors")] == ["8", "0", "7"]
    assert [child.tag for case in suite for child in case] == ["error"] * 7

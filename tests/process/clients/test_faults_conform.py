"""Services that say nothing, too much or nothing more, under probe conform: all of it in time.

`withstand` checks that memory stays flat, too, and that nothing but printable text is shown.
"""

from __future__ import annotations

import json
import signal
import threading
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import pytest

from peer import DatagramPeer, Peer, Step, black_hole, refusing, repeat, reset, wait_for
from process.clients.test_faults_reach import DEAD_RESOLVER
from process.clients.tool import TIMEOUT_S, finish, start, withstand
from server_process import ServerProcess

PROTOCOLS = pytest.mark.parametrize("protocol", ["echo", "daytime"])


def meet(protocol: str, address: str, *options: str, deadlines: int, first: str = "") -> str:
    """Run the checks, with time for so many deadlines; their verdicts by number, like FAIL 3."""
    tool = ("probe", "conform", protocol)
    limits = {"timeout_s": TIMEOUT_S, "by_s": deadlines * TIMEOUT_S}
    done = withstand(tool, address, "--json", *options, **limits, first=first)
    *checks, summary = map(json.loads, done.out.splitlines())
    verdicts = Counter(each["verdict"] for each in checks)
    assert (done.code, done.err) == (1, "")
    assert (summary["failed"], summary["skipped"]) == (verdicts["FAIL"], verdicts["SKIP"])
    return ", ".join(f"{verdict} {count}" for verdict, count in sorted(verdicts.items()))


def meet_tcp(protocol: str, *script: Step, deadlines: int) -> str:
    """The verdicts on a peer that plays `script` and then leaves the connection open."""
    over = threading.Event()
    with Peer(*script, wait_for(over)) as peer:
        try:
            return meet(protocol, peer.address, deadlines=deadlines)
        finally:
            over.set()


@pytest.mark.fault("`conform`: silence, over TCP and UDP; a byte now and then")
@pytest.mark.parametrize(
    ("protocol", "verdicts"), [("echo", "FAIL 7, PASS 1"), ("daytime", "FAIL 5")]
)
def test_checks_of_silence(protocol: str, verdicts: str) -> None:
    """A service that says nothing costs a deadline for each check and the silences that some wait
    for, and then it is over.
    """
    assert meet_tcp(protocol, deadlines=8 + 3) == verdicts


@pytest.mark.fault("`conform`: silence, over TCP and UDP; a byte now and then")
@pytest.mark.parametrize(("protocol", "count"), [("echo", 9), ("daytime", 7)])
def test_checks_of_silence_over_udp(protocol: str, count: int) -> None:
    """The same holds over UDP; who may not bind ports below 1024 skips a check."""
    with DatagramPeer(lambda _: None) as peer:
        verdicts = meet(protocol, peer.address, "--udp", deadlines=count + 2)
    assert verdicts in (f"FAIL {count}", f"FAIL {count - 1}, SKIP 1")


@pytest.mark.fault("`conform`: an endless answer, a reset of every connection")
@pytest.mark.parametrize(("protocol", "count"), [("echo", 8), ("daytime", 5)])
def test_checks_of_a_reset(protocol: str, count: int) -> None:
    """A service that resets every connection fails every check at once."""
    with Peer(reset()) as peer:
        assert meet(protocol, peer.address, deadlines=1) == f"FAIL {count}"


@pytest.mark.fault("`conform`: an endless answer, a reset of every connection")
@pytest.mark.parametrize(("protocol", "count"), [("echo", 8), ("daytime", 5)])
def test_checks_of_an_endless_answer(protocol: str, count: int) -> None:
    """A service that never stops sending fails every check at once, but for a stall that is waited
    for.
    """
    answer = repeat(bytes(range(256)) * 64)
    assert meet_tcp(protocol, answer, deadlines=3) == f"FAIL {count}"


@pytest.mark.fault("`conform`: silence, over TCP and UDP; a byte now and then")
@PROTOCOLS
def test_checks_of_a_drip(protocol: str) -> None:
    """A byte now and then, for ever, moves no deadline."""
    assert "FAIL" in meet_tcp(protocol, repeat(b"x", 0.01), deadlines=8 + 3)


@pytest.mark.fault("`conform`: a closed port, a black hole, a dead resolver")
@pytest.mark.parametrize(("protocol", "count"), [("echo", 17), ("daytime", 12)])
def test_checks_of_nobody(protocol: str, count: int) -> None:
    """Where nobody listens the first check of each transport fails, and the rest is skipped."""
    with refusing() as address:
        verdicts = meet(protocol, address, "--both", deadlines=1)
    assert verdicts == f"FAIL 2, SKIP {count - 2}"


@pytest.mark.fault("`conform`: a closed port, a black hole, a dead resolver")
@PROTOCOLS
def test_checks_of_a_black_hole(protocol: str) -> None:
    """An address that does not answer to a SYN costs one deadline."""
    with black_hole() as address:
        assert meet(protocol, address, deadlines=1).startswith("FAIL 1, SKIP ")


@pytest.mark.fault("`conform`: a closed port, a black hole, a dead resolver")
@PROTOCOLS
def test_checks_with_a_dead_resolver(protocol: str) -> None:
    """A resolver that never answers costs a deadline for each transport."""
    verdicts = meet(protocol, "host:80", "--both", deadlines=2, first=DEAD_RESOLVER)
    assert verdicts.startswith("FAIL 2, SKIP ")


@pytest.mark.fault("`conform`: a server that dies between two checks")
def test_checks_of_a_server_that_dies(tmp_path: Path) -> None:
    """The next check fails, the rest is skipped for want of a listener, and the report is whole."""
    report = tmp_path / "report.xml"
    with ServerProcess("echo", "--host", "127.0.0.1") as server:
        process = start(
            *("probe", "conform", "echo", f"127.0.0.1:{server.port}", "--junit", str(report))
        )
        assert process.stdout
        process.stdout.readline()
        server.stop(signal.SIGKILL)
        done = finish(process)
    *_, last, summary = done.out.splitlines()
    assert (done.code, done.err) == (1, "")
    assert last.startswith("SKIP E4 ")
    assert last.endswith(": no service answers: REFUSED Connection refused")
    assert " 0 failed" not in summary
    assert ElementTree.parse(report).getroot()[0].get("tests") == "8"

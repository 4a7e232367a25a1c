"""What the checks of probe conform expect, without a network, and what they cannot try."""

from __future__ import annotations

import errno
import os
import socket
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast
from xml.etree import ElementTree

import pytest

from peer import DatagramPeer
from probes.conformance import daytime as daytime_checks
from probes.conformance import echo as echo_checks
from probes.conformance.back_pressure import BackPressure, expect_bound
from probes.conformance.capture import Capture
from probes.conformance.check import Check, Finding, Skip, Verdict
from probes.conformance.junit import junit_report
from probes.conformance.runner import CHECKS
from probes.conformance.udp import (
    Answers,
    FromServices,
    Origins,
    ask,
    ask_again,
    ask_openly,
    bound_socket,
    expect_asked_address,
    expect_no_answer,
)
from probes.core.outcome import Failure, Outcome
from probes.core.result import Phase, Trace, Transport
from probes.core.target import Family, parse_target
from probes.net.deadline import Deadline
from probes.net.sockets import Address, Context, os_errors_as_failures
from probes.net.udp import Association

LINE = b"Sun Aug 29 17:25:19 UTC 2010\r\n"
OK, CLOSED, RESET, TIMEOUT = Outcome.OK, Outcome.CLOSED, Outcome.RESET, Outcome.TIMEOUT


def context(address: str, transport: Transport = Transport.UDP) -> Context:
    """The context to a peer."""
    return Context(parse_target(address), Family.ANY, Deadline(5), Trace(transport))


@pytest.mark.parametrize(
    ("expectation", "seen"),
    [
        (echo_checks.expect_silence, Capture(b"", b"", OK)),
        (echo_checks.expect_echo, Capture(b"abc", b"abc", OK)),
        (echo_checks.expect_echo, Capture(b"abc", b"abc", CLOSED)),
        (echo_checks.expect_echo_and_fin, Capture(b"abc", b"abc", CLOSED)),
        (echo_checks.expect_same_datagram, Answers(b"", (b"",))),
        (echo_checks.expect_same_datagram, Answers(b"abc", (b"abc",))),
        (expect_bound, BackPressure(1, is_stalled=True)),
        (daytime_checks.expect_answer_and_fin, Capture(b"", b"no line", CLOSED)),
        (daytime_checks.expect_line, Capture(b"", LINE, TIMEOUT)),
        (daytime_checks.expect_one_answer, Answers(b"", (b"no line",))),
        (daytime_checks.expect_line_in_datagram, Answers(b"", (LINE,))),
        (daytime_checks.expect_one_answer, Answers(b"\r\n", (LINE,))),
        (expect_asked_address, Origins(("127.0.0.1", 7), (("127.0.0.1", 7), ("127.0.0.1", 7)))),
        (expect_no_answer, FromServices((7, 13), ())),
    ],
)
def test_what_passes(expectation: Callable[[Any], str], seen: object) -> None:
    """Each looks at its own duty alone: an end is not the bytes', nor a form the answer's."""
    assert expectation(seen) is not None


@pytest.mark.parametrize(
    ("expectation", "seen", "reason"),
    [
        (echo_checks.expect_silence, Capture(b"", b"220", OK), "WRONG '220' came before"),
        (echo_checks.expect_silence, Capture(b"", b"", CLOSED), "CLOSED before anything was sent"),
        (echo_checks.expect_echo, Capture(b"abc", b"ab", TIMEOUT), "TIMEOUT 2 of 3 bytes"),
        (echo_checks.expect_echo, Capture(b"abc", b"ax", TIMEOUT), "WRONG the byte at offset 1"),
        (echo_checks.expect_echo, Capture(b"abc", b"abcd", OK), "WRONG more came back"),
        (echo_checks.expect_echo_and_fin, Capture(b"a", b"a", RESET), "RESET all 1 bytes"),
        (echo_checks.expect_echo_and_fin, Capture(b"a", b"a", TIMEOUT), "TIMEOUT all 1 bytes"),
        (echo_checks.expect_same_datagram, Answers(b"ab", (b"a",)), "WRONG the datagram ends"),
        (echo_checks.expect_same_datagram, Answers(b"a", (b"a", b"a")), "WRONG one datagram was"),
        (expect_bound, BackPressure(9, is_stalled=False), "WRONG 9 bytes were taken in"),
        (daytime_checks.expect_answer_and_fin, Capture(b"", b"", CLOSED), "CLOSED without a byte"),
        (daytime_checks.expect_answer_and_fin, Capture(b"", LINE, TIMEOUT), "TIMEOUT no clean end"),
        (daytime_checks.expect_answer_and_fin, Capture(b"", LINE, RESET), "RESET no clean end"),
        (daytime_checks.expect_answer_and_fin, Capture(b"", b"x" * 1025, OK), "WRONG more than"),
        (daytime_checks.expect_line, Capture(b"", b"", CLOSED), "CLOSED without a byte"),
        (daytime_checks.expect_line, Capture(b"", b"a\n", CLOSED), "WRONG not one line"),
        (daytime_checks.expect_line, Capture(b"", b"a", CLOSED), "WRONG not one line"),
        (daytime_checks.expect_line_in_datagram, Answers(b"", (b"",)), "WRONG not one line"),
        (daytime_checks.expect_line_in_datagram, Answers(b"", (b"x" * 1025,)), "WRONG more than"),
        (daytime_checks.expect_one_answer, Answers(b"", (b"",)), "WRONG the datagram is empty"),
        (daytime_checks.expect_one_answer, Answers(b"", (LINE, LINE)), "WRONG one datagram was"),
        (
            daytime_checks.expect_answer_and_fin,
            Capture(b"thrown away", LINE + b"own away", CLOSED),
            "WRONG input came back",
        ),
        (daytime_checks.expect_one_answer, Answers(b"\r\n", (b"\r\n",)), "WRONG input came back"),
        (
            expect_asked_address,
            Origins(("::1", 7), (("::1", 7), ("::1", 8))),
            "WRONG [::1]:7 was asked, and [::1]:8 answered",
        ),
        (
            expect_no_answer,
            FromServices((7, 13, 19), (13, 19)),
            "WRONG what came from ports 13, 19 was answered",
        ),
    ],
)
def test_what_fails(expectation: Callable[[Any], str], seen: object, reason: str) -> None:
    """Whatever breaks a duty is told by outcome and reason."""
    with pytest.raises(Failure) as caught:
        expectation(seen)
    assert f"{caught.value.outcome.name} {caught.value.reason}".startswith(reason)


def test_an_unknown_form_is_remarked() -> None:
    """RFC 867 fixes no syntax, so a line that nobody can read is a remark, not a failure."""
    assert daytime_checks.expect_line(Capture(b"", LINE, CLOSED)) == LINE.decode().rstrip()
    remark = daytime_checks.expect_line(Capture(b"", b"noon\r\n", CLOSED))
    assert remark == "noon (RFC 867 fixes no form; this one is not read)"


@pytest.mark.parametrize("protocol", CHECKS)
def test_names_are_unique(protocol: str) -> None:
    """Duty and name tell the checks of a service apart, and so do the titles."""
    checks = CHECKS[protocol]
    assert len({(each.duty, each.name) for each in checks}) == len(checks)
    assert len({str(each) for each in checks}) == len(checks)


def test_a_datagram_too_large_is_skipped() -> None:
    """What this host cannot send (EMSGSIZE) says nothing about the service."""
    with (
        DatagramPeer(lambda data: data) as peer,
        pytest.raises(Skip, match="65508 bytes cannot be sent"),
    ):
        ask(bytes(65508), context(peer.address))


def test_a_datagram_too_large_for_the_path_is_sent_again() -> None:
    """What a router refuses (EMSGSIZE on the answer) is sent anew, cut as it has told."""
    told = OSError(errno.EMSGSIZE, os.strerror(errno.EMSGSIZE))
    tries: list[Callable[[], bytes]] = [lambda: fail(told), lambda: b"x"]
    association = SimpleNamespace(ask=lambda _: tries.pop(0)())
    assert ask_again(cast(Association, association), b"x") == b"x"
    assert tries == []


def fail(error: OSError) -> bytes:
    """Fail as a receive does."""
    with os_errors_as_failures():
        raise error


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it may be nowhere")
def test_the_unspecified_address_is_loopback() -> None:
    """E6: to Linux 0.0.0.0 is this host, and so an answer comes from loopback."""
    with DatagramPeer(lambda data: data) as peer:
        assert expect_asked_address(ask_openly(b"x", context(f"0.0.0.0:{peer.port}"))) == ""


def test_a_port_that_is_taken_is_skipped() -> None:
    """A port that cannot be bound says nothing either; loopback has a second address to try."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as first:
        first.bind(("127.0.0.1", 0))
        port = first.getsockname()[1]
        loopback = Address(socket.AF_INET, ("127.0.0.1", port))
        with bound_socket(port, loopback) as second:
            assert second.getsockname() == ("127.0.0.2", port)
            with pytest.raises(Skip, match=f"port {port} cannot be bound: Address already in use"):
                bound_socket(port, loopback)


@pytest.mark.parametrize(
    ("outcome", "phase", "expected"),
    [
        (Outcome.DNS, Phase.LOOKUP, True),
        (Outcome.TIMEOUT, Phase.LOOKUP, True),
        (Outcome.TIMEOUT, Phase.CONNECT, True),
        (Outcome.TIMEOUT, Phase.FIRST_BYTE, False),
        (Outcome.TIMEOUT, Phase.ANSWER, False),
        (Outcome.REFUSED, Phase.CONNECT, True),
        (Outcome.REFUSED, Phase.ANSWER, True),
        (Outcome.UNREACHABLE, Phase.CONNECT, True),
        (Outcome.RESET, Phase.CONNECT, False),
        (Outcome.CLOSED, Phase.ANSWER, False),
    ],
)
def test_unreached(outcome: Outcome, phase: Phase, expected: bool) -> None:
    """Only where nobody was there at all there is no use in another check."""

    def fail(context: Context) -> None:
        if phase is not Phase.LOOKUP:
            context.trace.enter(phase)
        raise Failure(outcome, "")

    check = Check("X1", "none", Transport.TCP, "none", "none", fail, lambda _: "")
    assert check.judge(context("127.0.0.1:7")).is_unreached is expected


def test_junit_of_any_bytes() -> None:
    """A report is well-formed whatever a peer sent: XML has no way to write a control character."""
    check = CHECKS["daytime"][0]
    reasons = ["\0\x1b<&]]>\"'\udcff\ufffe", ""]
    verdicts = [Verdict.FAIL, Verdict.SKIP, Verdict.PASS]
    findings = [Finding(check, verdict, reason) for verdict in verdicts for reason in reasons]
    (suite,) = ElementTree.fromstring(junit_report("daytime", "[::1]:13", findings, [check]))
    counts = [suite.get(name) for name in ("tests", "failures", "errors", "skipped")]
    assert counts == ["7", "2", "1", "2"]
    assert suite[0][0].get("message") == r"""\x00\x1b<&]]>"'\udcff\ufffe"""

"""What RFC 862 asks of an echo service, as checks that a client can make.

All that is sent ends with a line end, but for what shows that none is needed: so a service that
waits for line ends fails there alone.
"""

from __future__ import annotations

import os
from functools import partial
from typing import Any

from probes.conformance.back_pressure import expect_bound, press
from probes.conformance.capture import Capture, receive, receive_more
from probes.conformance.check import QUIET_S, Check
from probes.conformance.udp import Answers, ask, common_checks
from probes.core.outcome import Failure, Outcome
from probes.core.result import Transport
from probes.core.text import quote
from probes.net.sockets import Context
from probes.net.tcp import Connection, open_connection
from probes.protocols.echo import Comparison, expect_datagram

ALL_BYTES = bytes(value for value in range(256) if value != ord("\n")) + b"\n"
STREAM_BYTES = 1024 * 1024
# Bit by bit, without a silence that one could mistake for the end, until so many answers have come.
DRIP_BYTES, DRIP_PAUSE_S, DRIP_ANSWERS = 1024, 0.01, 4
HALF_CLOSED_BYTES = 64 * 1024
PAUSE_S = 1.0

# The least, the size of old buffers, what fits into a frame of Ethernet, what needs several, and
# the most that IPv4 carries.
DATAGRAMS_BYTES = (1, 512, 1472, 8192, 65507)


def send_and_receive(data: bytes, context: Context) -> Capture:
    """Send `data`, receive as much, and see whether more comes."""
    with open_connection(context) as connection:
        connection.send_all(data)
        return receive_back(connection, data)


def receive_back(
    connection: Connection, sent: bytes, unsent: bytes = b"", received: bytes = b""
) -> Capture:
    """Send what is `unsent`, receive as much as was `sent` in all, and see whether more comes."""
    more, end = receive(connection, len(sent) - len(received), unsent)
    received += more
    if end is Outcome.OK:
        more, end = receive_more(connection, QUIET_S)
        received += more
    return Capture(sent, received, end)


def send_urgently(context: Context) -> Capture:
    """Send three bytes, the second of them as urgent."""
    with open_connection(context) as connection:
        connection.send_all(b"a")
        connection.send_urgent(b"b")
        connection.send_all(b"\n")
        return receive_back(connection, b"ab\n")


def stream(context: Context) -> Capture:
    """Send bit by bit until some of it has come back a few times, and then much while reading."""
    data = os.urandom(STREAM_BYTES - 1) + b"\n"
    with open_connection(context) as connection:
        sent, received = drip(connection, data)
        return receive_back(connection, data, data[sent:], received)


def drip(connection: Connection, data: bytes) -> tuple[int, bytes]:
    """Send `data` bit by bit; how much was sent, and what came back. Raises Failure."""
    sent, received, answers = 0, b"", 0
    try:
        while sent < len(data) and answers < DRIP_ANSWERS:
            sent += connection.send(data[sent : sent + DRIP_BYTES])
            is_answered, _ = connection.wait(to_send=False, at_most_s=DRIP_PAUSE_S)
            if is_answered:
                received += connection.receive()
                answers += 1
    except Failure as failure:
        progress = f"{len(received)} bytes came back while {sent} were sent bit by bit"
        raise failure.after(progress) from failure
    return sent, received


def pause(context: Context) -> Capture:
    """Send a line, be silent for a while, and send another."""
    before, after = b"before\n", b"after\n"
    with open_connection(context) as connection:
        connection.send_all(before)
        received, end = receive(connection, len(before))
        if end is Outcome.OK:
            more, end = receive_more(connection, PAUSE_S)
            received += more
        if end is Outcome.OK:
            more, end = receive(connection, len(after), after)
            received += more
    return Capture(before + after, received, end)


def half_close(context: Context) -> Capture:
    """Send much, half-close at once, and read to the end."""
    data = os.urandom(HALF_CLOSED_BYTES - 1) + b"\n"
    with open_connection(context) as connection:
        return Capture(data, *receive(connection, len(data) + 1, data, half_close=True))


def expect_silence(capture: Capture) -> str:
    """Nothing came, neither a byte nor an end."""
    if capture.received:
        text = quote(capture.received.decode("latin-1"))
        raise Failure(Outcome.WRONG, f"{text} came before anything was sent")
    if capture.end is not Outcome.OK:
        raise Failure(capture.end, "before anything was sent")
    return ""


def expect_echo(capture: Capture) -> str:
    """What was sent came back, all of it and nothing else, whatever happened then."""
    comparison = Comparison(iter([capture.sent]), len(capture.sent))
    comparison.feed(capture.received)
    if comparison.matched < len(capture.sent):
        raise Failure(capture.end, f"{comparison.matched} of {len(capture.sent)} bytes came back")
    return ""


def expect_echo_and_fin(capture: Capture) -> str:
    """What was sent came back, and then FIN."""
    expect_echo(capture)
    if capture.end is not Outcome.CLOSED:
        raise Failure(
            capture.end, f"all {len(capture.sent)} bytes came back, but no FIN after them"
        )
    return ""


def expect_same_datagram(answers: Answers) -> str:
    """The same datagram came back, once."""
    first, *others = answers.received
    expect_datagram(first, answers.sent)
    if others:
        raise Failure(Outcome.WRONG, "one datagram was sent, and two came back")
    return ""


def datagram_check(size: int) -> Check[Answers]:
    """The check of a datagram of random bytes."""
    title = f"a datagram of {size} byte{'' if size == 1 else 's'} comes back"
    exchange = partial(ask, os.urandom(size))
    return Check(
        "E5", f"datagram-{size}", Transport.UDP, title, OVER_UDP, exchange, expect_same_datagram
    )


OVER_TCP = "RFC 862, TCP Based Echo Service"
OVER_UDP = "RFC 862, UDP Based Echo Service"
TCP = Transport.TCP
# fmt: off
CHECKS: tuple[Check[Any], ...] = (
    Check("E1", "banner", TCP, "nothing comes before anything is sent",
          OVER_TCP, partial(send_and_receive, b""), expect_silence),
    Check("E1", "all-bytes", TCP, "all 256 byte values come back, and nothing else",
          OVER_TCP, partial(send_and_receive, ALL_BYTES), expect_echo),
    Check("E1", "unterminated", TCP, "a byte comes back with no line end after it",
          OVER_TCP, partial(send_and_receive, b"x"), expect_echo),
    Check("E1", "urgent", TCP, "an urgent byte comes back in its place",
          "RFC 9293 section 3.8.5", send_urgently, expect_echo),
    Check("E1", "stream", TCP, "a stream comes back while it is sent",
          OVER_TCP, stream, expect_echo),
    Check("E2", "pause", TCP, "a second line comes back after a pause",
          OVER_TCP, pause, expect_echo),
    Check("E3", "half-close", TCP, "half-close returns every byte, then FIN",
          "RFC 9293 section 3.6.1", half_close, expect_echo_and_fin),
    Check("E4", "back-pressure", TCP, "who does not read is not read from, and loses nothing",
          "no RFC: memory is bounded", press, expect_bound),
    *map(datagram_check, DATAGRAMS_BYTES),
    *common_checks(b"datagram"),
    datagram_check(0),  # the last, since there are servers that answer nobody after it
)

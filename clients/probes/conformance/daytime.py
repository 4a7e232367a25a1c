"""What RFC 867 asks of a daytime service, as checks that a client can make."""

from __future__ import annotations

from functools import partial
from typing import Any

from probes.conformance.capture import Capture, receive
from probes.conformance.check import QUIET_S, Check
from probes.conformance.udp import Answers, ask, common_checks
from probes.core.outcome import Failure, Outcome
from probes.core.result import Transport
from probes.net.sockets import Context
from probes.net.tcp import Connection, open_connection
from probes.protocols.daytime import MAX_REPLY_BYTES, QUESTION, expect_length, read_line
from probes.protocols.daytime_line import parse_line

# More than a server reads in one go, less than fits into the buffers on the way to it.
# All values, and no two that are printable side by side: so no piece of it can be in a line.
INPUT = bytes(value * 101 % 256 for value in range(256)) * 256
INPUT_LINE = b"to be thrown away\r\n"
# So much of the input, anywhere in an answer, is no accident.
TRACE_BYTES = 8


def listen(context: Context) -> Capture:
    """Read to the end, and send nothing."""
    with open_connection(context) as connection:
        return Capture(b"", *receive(connection, MAX_REPLY_BYTES + 1))


def send_early(context: Context) -> Capture:
    """Send a line before anything is read."""
    with open_connection(context) as connection:
        connection.send_all(INPUT_LINE)
        received, end = receive(connection, MAX_REPLY_BYTES + 1)
        return Capture(INPUT_LINE, received, true_end(connection, end))


def send_meanwhile(context: Context) -> Capture:
    """Send much while reading."""
    with open_connection(context) as connection:
        received, end = receive(connection, MAX_REPLY_BYTES + 1, INPUT)
        return Capture(INPUT, received, true_end(connection, end))


def send_late(context: Context) -> Capture:
    """Send a line once the server has closed."""
    with open_connection(context) as connection:
        received, end = receive(connection, MAX_REPLY_BYTES + 1)
        if end is Outcome.CLOSED:
            connection.send_all(INPUT_LINE)
        return Capture(INPUT_LINE, received, true_end(connection, end))


def true_end(connection: Connection, end: Outcome) -> Outcome:
    """The end that was seen, or RESET where that follows it."""
    is_reset = end is Outcome.CLOSED and connection.is_reset(QUIET_S)
    return Outcome.RESET if is_reset else end


def expect_answer_and_fin(capture: Capture) -> str:
    """Something came that is no input, and then FIN, and then no RST."""
    expect_discarded(capture.sent, capture.received)
    expect_length(capture.received)
    if capture.end is not Outcome.CLOSED:
        raise Failure(capture.end, f"no clean end ({len(capture.received)} bytes received)")
    if not capture.received:
        raise Failure(capture.end, "without a byte")
    return ""


def expect_line(capture: Capture) -> str:
    """What came is one line; the remark is the line."""
    if not capture.received:
        raise Failure(capture.end, "without a byte")
    expect_length(capture.received)
    return read(capture.received)


def expect_line_in_datagram(answers: Answers) -> str:
    """The datagram is one line; the remark is the line."""
    expect_length(answers.received[0])
    return read(answers.received[0])


def read(reply: bytes) -> str:
    """The line, and whether it has a form that we know; raises Failure."""
    line = read_line(reply)
    return line if parse_line(line) else f"{line} (RFC 867 fixes no form; this one is not read)"


def expect_one_answer(answers: Answers) -> str:
    """One datagram came, with something in it that is no input."""
    if len(answers.received) > 1:
        raise Failure(Outcome.WRONG, "one datagram was sent, and two came back")
    if not answers.received[0]:
        raise Failure(Outcome.WRONG, "the datagram is empty")
    expect_discarded(answers.sent, answers.received[0])
    return ""


def expect_discarded(sent: bytes, reply: bytes) -> None:
    """Raise Failure (WRONG) when a reply is, or has in it, what was sent."""
    starts = range(len(reply) - TRACE_BYTES + 1)
    if reply and (reply == sent or any(reply[at : at + TRACE_BYTES] in sent for at in starts)):
        raise Failure(Outcome.WRONG, "input came back")


OVER_TCP = "RFC 867, TCP Based Daytime Service"
OVER_UDP = "RFC 867, UDP Based Daytime Service"
SYNTAX = "RFC 867, Daytime Syntax; CR LF is ours"
THROWN_AWAY = "RFC 867; RFC 9293 section 3.6.1"
TCP, UDP = Transport
# fmt: off
CHECKS: tuple[Check[Any], ...] = (
    Check("D1", "unasked", TCP, "the time comes without input, then FIN",
          OVER_TCP, listen, expect_answer_and_fin),
    Check("D2", "early-input", TCP, "input before the answer is thrown away without a reset",
          THROWN_AWAY, send_early, expect_answer_and_fin),
    Check("D2", "long-input", TCP, "much input beside the answer is thrown away without a reset",
          THROWN_AWAY, send_meanwhile, expect_answer_and_fin),
    Check("D2", "late-input", TCP, "input after the server's FIN is thrown away without a reset",
          THROWN_AWAY, send_late, expect_answer_and_fin),
    Check("D4", "line", TCP, "one line of printable ASCII with CR LF",
          SYNTAX, listen, expect_line),
    Check("D3", "line-end", UDP, "a line end is answered by one datagram",
          OVER_UDP, partial(ask, QUESTION), expect_one_answer),
    Check("D3", "all-bytes", UDP, "1472 bytes of all values are answered by one datagram",
          OVER_UDP, partial(ask, INPUT[:1472]), expect_one_answer),
    Check("D4", "datagram", UDP, "the datagram is one line of printable ASCII with CR LF",
          SYNTAX, partial(ask, QUESTION), expect_line_in_datagram),
    *common_checks(QUESTION),
    # The last, since there are servers that answer nobody after it.
    Check("D3", "empty", UDP, "an empty datagram is answered by one datagram",
          OVER_UDP, partial(ask, b""), expect_one_answer),
)

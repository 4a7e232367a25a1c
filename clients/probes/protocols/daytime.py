"""One daytime exchange, RFC 867.

Over TCP the server speaks first and closes, and the client only listens. Over UDP the client sends
a datagram whose content is ignored, and the answer is one datagram.
"""

from __future__ import annotations

import re
from dataclasses import replace

from probes.core.outcome import Failure, Outcome
from probes.core.result import Result
from probes.core.text import quote
from probes.net.tcp import Connection
from probes.net.udp import Association
from probes.protocols.daytime_line import parse_line

# Far above any date on one line, far below what a server that never stops would send.
MAX_REPLY_BYTES = 1024
# Any datagram asks for the time, and the empty one would be the plainest, but docker-proxy drops it
# at a published port. A line end gets through, and if it comes back, it is no line with a time.
QUESTION = b"\r\n"

# The RFC fixes no syntax for the date itself: "one line", "ASCII printing characters, space,
# carriage return, and line feed".
LINE = re.compile(rb"[ -~]+\r\n")
BEGUN_LINE = re.compile(rb"[ -~]*\r?")


def exchange(connection: Connection) -> str:
    """Read the reply until the server closes; returns its line, or raises Failure."""
    reply = b""
    try:
        while data := connection.receive(MAX_REPLY_BYTES + 1 - len(reply)):
            reply += data
            expect_length(reply)
    except Failure as failure:
        raise failure.after(f"{len(reply)} bytes received") from failure
    return read_reply(reply)


def exchange_datagrams(association: Association) -> str:
    """Ask with a datagram; returns the line that the answer holds, or raises Failure."""
    reply = association.ask(QUESTION)
    expect_length(reply)
    return read_line(reply)


def expect_length(reply: bytes) -> None:
    """Raise Failure (WRONG) when `reply` is longer than any date."""
    if len(reply) > MAX_REPLY_BYTES:
        raise Failure(Outcome.WRONG, f"more than {MAX_REPLY_BYTES} bytes")


def read_reply(reply: bytes) -> str:
    """The line that is all that came before EOF, as `read_line`; CLOSED when it is cut short."""
    if not reply:
        raise Failure(Outcome.CLOSED, "the peer closed without a byte")
    if BEGUN_LINE.fullmatch(reply):
        line = quote(reply.decode("latin-1"))
        raise Failure(Outcome.CLOSED, f"the peer closed inside the line {line}")
    return read_line(reply)


def read_line(reply: bytes) -> str:
    """The line that `reply` is, without its CR LF; raises Failure (WRONG) on anything else."""
    text = reply.decode("latin-1")
    if LINE.fullmatch(reply):
        return text.removesuffix("\r\n")
    raise Failure(Outcome.WRONG, f"not one line of printable ASCII with CR LF: {quote(text)}")


def interpret(result: Result) -> Result:
    """An OK `result` with what its line tells beyond the time: who answered, and their skew.

    Neither is a matter of the protocol, so neither changes the outcome.
    """
    reading = parse_line(result.detail)
    if reading is None:
        return result
    skew_s = reading.skew_s(result.asked, result.ended)
    return replace(result, identity=reading.identity, skew_s=skew_s)

"""One daytime exchange, RFC 867: the server speaks first and closes; the client only listens."""

from __future__ import annotations

import re

from probes.connection import Connection
from probes.outcome import Failure, Outcome
from probes.terminal import quote

# Far above any date on one line, far below what a server that never stops would send.
MAX_REPLY_BYTES = 1024

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
            if len(reply) > MAX_REPLY_BYTES:
                raise Failure(Outcome.WRONG, f"more than {MAX_REPLY_BYTES} bytes")
    except Failure as failure:
        raise failure.after(f"{len(reply)} bytes received") from failure
    return read_line(reply)


def read_line(reply: bytes) -> str:
    """The line that a whole `reply` is, without its CR LF; raises Failure on anything else."""
    text = reply.decode("latin-1")
    if LINE.fullmatch(reply):
        return text.removesuffix("\r\n")
    if not reply:
        raise Failure(Outcome.CLOSED, "the peer closed without a byte")
    if BEGUN_LINE.fullmatch(reply):
        raise Failure(Outcome.CLOSED, f"the peer closed inside the line {quote(text)}")
    raise Failure(Outcome.WRONG, f"not one line of printable ASCII with CR LF: {quote(text)}")

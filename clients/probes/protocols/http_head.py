"""Reading the head of an HTTP response: fed bytes, gives a Head. No I/O.

Lenient where RFC 9112 allows it (bare LF, folded lines, any reason phrase) and strict where
leniency has let two readers of one reply disagree (space before the colon, NUL, bare CR).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from probes.core.outcome import Failure, Outcome

# http.client would take 100 lines of 64 KiB each; curl stops at 300 KiB, nginx sends at most 8.
MAX_HEAD_BYTES = 64 * 1024
# A server must send none to a 1.0 client, a client must survive them: RFC 9110 section 15.2.
MAX_INTERIM_RESPONSES = 5

PROTOCOL = b"HTTP/"
# RFC 9112 section 4, but the space before an absent reason phrase may be absent too.
STATUS_LINE = re.compile(rb"HTTP/([0-9]\.[0-9]) ([0-9]{3})(?: ([^\0\r]*))?")
# RFC 9110 sections 5.1 and 5.5. Other control characters may be kept, so they are.
FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([^\0\r]*)")
FOLDED = re.compile(rb"[ \t]([^\0\r]*)")
WHITESPACE = " \t"


class NotHTTP(Exception):
    """The reply does not begin as a status line does; `received` is what came so far."""

    def __init__(self, received: bytes) -> None:
        super().__init__(received)
        self.received = received


@dataclass(frozen=True)
class Head:
    """A final response's head. Text is ISO-8859-1, so that every byte survives as a character.

    `raw` is the head as it came, its empty line included; `interim` counts the 1xx before it.
    """

    version: str
    status: int
    reason: str
    fields: tuple[tuple[str, str], ...]
    raw: bytes
    interim: int


class HeadReader:
    """Takes a response in pieces of any size until its final head is whole."""

    def __init__(self) -> None:
        self.received = 0
        self._unread = bytearray()
        self._searched = 0
        self._interim = 0
        self._lines: list[bytes] = []
        self._status: tuple[str, int, str] | None = None
        self._fields: list[tuple[str, str]] = []

    @property
    def trailing(self) -> bytes:
        """What came after the head."""
        return bytes(self._unread)

    def feed(self, data: bytes) -> Head | None:
        """Take the next bytes; returns the head once its empty line is there.

        Raises NotHTTP as soon as the first bytes cannot become a status line, and Failure
        (WRONG) when the head is malformed or too long.
        """
        self.received += len(data)
        self._unread += data
        if self._at_start() and not PROTOCOL.startswith(self._unread[: len(PROTOCOL)]):
            raise NotHTTP(bytes(self._unread))
        while (line := self._next_line()) is not None:
            if head := self._take(line):
                return head
        return None

    def incomplete(self) -> Failure:
        """What it means that the peer sends no more: an incomplete message, RFC 9112 section 8."""
        where = "inside the head" if self.received else "without a byte"
        return Failure(Outcome.CLOSED, f"the peer closed {where}")

    def _at_start(self) -> bool:
        return self.received == len(self._unread)

    def _next_line(self) -> bytes | None:
        end = self._unread.find(b"\n", self._searched) + 1
        used = self.received - len(self._unread)
        if used + (end or len(self._unread)) > MAX_HEAD_BYTES:
            raise Failure(Outcome.WRONG, f"the head is longer than {MAX_HEAD_BYTES} bytes")
        self._searched = 0 if end else len(self._unread)
        if not end:
            return None
        line = bytes(self._unread[:end])
        del self._unread[:end]
        return line

    def _take(self, line: bytes) -> Head | None:
        self._lines.append(line)
        content = line.removesuffix(b"\n").removesuffix(b"\r")
        if self._status is None:
            self._status = _parse_status_line(content)
        elif not content:
            return self._finish(*self._status)
        elif content[:1] in (b" ", b"\t"):
            self._unfold(content)
        else:
            self._fields.append(_parse_field(content))
        return None

    def _unfold(self, content: bytes) -> None:
        folded = FOLDED.fullmatch(content)
        if not folded or not self._fields:
            raise _malformed("folded line", content)
        name, value = self._fields[-1]  # joined by one space: RFC 9112 section 5.2
        more = folded[1].decode("latin-1").strip(WHITESPACE)
        self._fields[-1] = (name, f"{value} {more}".strip(WHITESPACE))

    def _finish(self, version: str, status: int, reason: str) -> Head | None:
        raw, fields = b"".join(self._lines), tuple(self._fields)
        if status // 100 != 1:
            return Head(version, status, reason, fields, raw, self._interim)
        self._interim += 1
        if self._interim > MAX_INTERIM_RESPONSES:
            limit = MAX_INTERIM_RESPONSES
            raise Failure(Outcome.WRONG, f"more than {limit} interim (1xx) responses")
        self._status, self._lines, self._fields = None, [], []
        return None


def _parse_status_line(content: bytes) -> tuple[str, int, str]:
    match = STATUS_LINE.fullmatch(content)
    if not match:
        raise _malformed("status line", content)
    return match[1].decode(), int(match[2]), (match[3] or b"").decode("latin-1")


def _parse_field(content: bytes) -> tuple[str, str]:
    match = FIELD.fullmatch(content)
    if not match:
        raise _malformed("header field", content)
    return match[1].decode(), match[2].decode("latin-1").strip(WHITESPACE)


def _malformed(what: str, content: bytes) -> Failure:
    excerpt = content[:60].decode("latin-1")
    return Failure(Outcome.WRONG, f"malformed {what} '{excerpt}'")

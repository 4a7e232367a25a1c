"""The reader of response heads: whole, byte by byte, and with trailing data."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.core.outcome import Failure, Outcome
from probes.protocols.http_head import MAX_HEAD_BYTES, Head, HeadReader, NotHTTP


def read(*pieces: bytes) -> tuple[Head | None, bytes]:
    """The head in `pieces`, and what follows it."""
    reader = HeadReader()
    for position, piece in enumerate(pieces):
        if head := reader.feed(piece):
            return head, reader.trailing + b"".join(pieces[position + 1 :])
    return None, b""


def read_bytewise(data: bytes) -> tuple[Head | None, bytes]:
    """The same, with every byte a piece of its own."""
    return read(*(bytes([value]) for value in data))


HEADS = [
    (b"HTTP/1.0 200 OK\r\n\r\n", ("1.0", 200, "OK"), []),
    (b"HTTP/1.1 404 Not Found\r\nA: b\r\n\r\n", ("1.1", 404, "Not Found"), [("A", "b")]),
    (b"HTTP/1.1 204 \r\n\r\n", ("1.1", 204, ""), []),
    (b"HTTP/1.1 204\r\n\r\n", ("1.1", 204, ""), []),
    (b"HTTP/9.9 999 ?\r\n\r\n", ("9.9", 999, "?"), []),
    (b"HTTP/1.0 200 caf\xe9 \x1b\r\n\r\n", ("1.0", 200, "caf\xe9 \x1b"), []),
    (b"HTTP/1.0 200 OK\nA: b\n\n", ("1.0", 200, "OK"), [("A", "b")]),
    (b"HTTP/1.0 200 OK\r\nA:\r\nB:c\r\n\r\n", ("1.0", 200, "OK"), [("A", ""), ("B", "c")]),
    (b"HTTP/1.0 200 OK\r\nA: \t b : c\t \r\n\r\n", ("1.0", 200, "OK"), [("A", "b : c")]),
    (b"HTTP/1.0 200 OK\r\nA: b\r\n \tc\r\n\r\n", ("1.0", 200, "OK"), [("A", "b c")]),
    (b"HTTP/1.0 200 OK\r\nA: 1\r\nA: 2\r\n\r\n", ("1.0", 200, "OK"), [("A", "1"), ("A", "2")]),
    (
        b"HTTP/1.0 200 OK\r\n!#$%&'*+-.^_`|~: x\r\n\r\n",
        ("1.0", 200, "OK"),
        [("!#$%&'*+-.^_`|~", "x")],
    ),
]


@pytest.mark.parametrize(("raw", "status", "fields"), HEADS)
@pytest.mark.parametrize("trailing", [b"", b"\r\n", b"body HTTP/1.0 200 OK\r\n\r\n"])
def test_head(
    raw: bytes, status: tuple[str, int, str], fields: list[tuple[str, str]], trailing: bytes
) -> None:
    """H2, H4, H6: a head is the same whole or byte by byte, and ends at its empty line."""
    version, code, reason = status
    head = Head(version, code, reason, tuple(fields), raw, interim=0)
    assert read(raw + trailing) == (head, trailing)
    assert read_bytewise(raw + trailing) == (head, trailing)


@pytest.mark.parametrize("count", range(6))
def test_interim_responses(count: int) -> None:
    """H5: up to five 1xx responses are skipped, fields and all, and counted."""
    interim, final = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"
    for head, _ in (read(interim * count + final), read_bytewise(interim * count + final)):
        assert head == Head("1.1", 200, "OK", (), final, interim=count)


MALFORMED = [
    b"HTTP/1.0 200 OK\r\nA : b\r\n",
    b"HTTP/1.0 200 OK\r\nA b\r\n",
    b"HTTP/1.0 200 OK\r\n: b\r\n",
    b"HTTP/1.0 200 OK\r\n A: b\r\n",
    b"HTTP/1.0 200 OK\r\nA: b\0\r\n",
    b"HTTP/1.0 200 OK\r\nA: b\r\r\n",
    b"HTTP/1.0 200 OK\r\nA: b\r\n c\0d\r\n",
    b"HTTP/1.0 200 OK\r\nA\xe9: b\r\n",
    b"HTTP/1.0 200 O\0K\r\n",
    b"HTTP/1.0 20 OK\r\n",
    b"HTTP/1.0 2000 OK\r\n",
    b"HTTP/1.0  200 OK\r\n",
    b"HTTP/1.0 2\xb20 OK\r\n",
    b"HTTP/1 200 OK\r\n",
    b"HTTP/1.0\r\n",
    b"HTTP/1.0 100 Continue\r\n\r\nhello\r\n",
    b"HTTP/1.0 100 Continue\r\n\r\n" * 6,
]


@pytest.mark.parametrize("data", MALFORMED)
def test_malformed_head(data: bytes) -> None:
    """H5, H6: a malformed head is WRONG, whole or byte by byte, for the same reason."""
    reasons = set()
    for reading in (read, read_bytewise):
        with pytest.raises(Failure) as caught:
            reading(data)
        assert caught.value.outcome is Outcome.WRONG
        reasons.add(caught.value.reason)
    assert len(reasons) == 1


@pytest.mark.parametrize(
    "data", [b"\r\n", b"hello", b"HEAD / HTTP/1.0\r\n\r\n", b"HTTP 200", b"http/"]
)
def test_no_status_line(data: bytes) -> None:
    """H7: the first byte that no status line can have ends the reading."""
    with pytest.raises(NotHTTP) as caught:
        read(data)
    assert caught.value.received == data
    with pytest.raises(NotHTTP) as caught:
        read_bytewise(data)
    assert data.startswith(caught.value.received)
    assert not b"HTTP/".startswith(caught.value.received)


@pytest.mark.parametrize("data", [b"", b"H", b"HTTP/", b"HTTP/1.0 200 OK\r\n", b"HTTP/1.0 200"])
def test_incomplete_head(data: bytes) -> None:
    """H3: EOF before the empty line is CLOSED."""
    reader = HeadReader()
    assert reader.feed(data) is None
    assert reader.incomplete().outcome is Outcome.CLOSED


def test_longest_head() -> None:
    """H10: a head of exactly 64 KiB is read, one of a byte more is WRONG."""
    start, end = b"HTTP/1.0 200 OK\r\nA: ", b"\r\n\r\n"
    longest = start + b"x" * (MAX_HEAD_BYTES - len(start) - len(end)) + end
    for reading in (read, read_bytewise):
        head, trailing = reading(longest + b"body")
        assert head
        assert (head.raw, trailing) == (longest, b"body")
        with pytest.raises(Failure, match="longer than 65536 bytes"):
            reading(b"HTTP/1.0 200 OK\r\nB:" + longest[len(start) - 4 :])


@pytest.mark.parametrize("line", [b"A:x" + b" " * 60_000 + b"y", b"A:x\r\n" + b" y\r\n" * 16_000])
def test_hostile_whitespace(line: bytes) -> None:
    """H10: no head within the limit takes long to read."""
    began = time.process_time()
    assert read(b"HTTP/1.0 200 OK\r\n" + line + b"\r\n\r\n")
    assert time.process_time() - began < 2


PIECES = st.lists(
    st.sampled_from(
        [
            b"HTTP/1.1 200 OK",
            b"HTTP/1.0 100 ",
            b"\r\n",
            b"\n",
            b"\r",
            b"A: b",
            b":",
            b" ",
            b"\0",
            b"x",
        ]
    )
    | st.binary(max_size=4),
    max_size=30,
)


def outcome_of(*pieces: bytes) -> object:
    """What comes of `pieces`, an error included."""
    try:
        return read(*pieces)
    except NotHTTP:
        return NotHTTP
    except Failure as failure:
        return failure.reason


@given(PIECES)
def test_any_split_reads_the_same(pieces: list[bytes]) -> None:
    """Any bytes give a head, nothing yet, or a typed error, and the same however they are cut."""
    whole = b"".join(pieces)
    expected = outcome_of(whole)
    assert outcome_of(*pieces) == expected
    assert outcome_of(*(bytes([value]) for value in whole)) == expected


TOKEN = st.text(st.sampled_from("abcXYZ019!#$%&'*+-.^_`|~"), min_size=1)
VALUE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF)).map(str.strip)


@given(st.integers(200, 999), VALUE, st.lists(st.tuples(TOKEN, VALUE), max_size=5))
def test_what_is_written_is_read(status: int, reason: str, fields: list[tuple[str, str]]) -> None:
    """A head made of any reason and fields is read back as it was."""
    lines = [f"HTTP/1.1 {status} {reason}", *(f"{name}: {value}" for name, value in fields), "", ""]
    head, _ = read("\r\n".join(lines).encode("latin-1"))
    assert head
    assert (head.status, head.reason, list(head.fields)) == (status, reason, fields)

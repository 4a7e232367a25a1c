"""What is sent and what counts as a good answer, without a network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.core.outcome import Failure, Outcome
from probes.protocols import daytime
from probes.protocols.echo import CHUNK_BYTES, Comparison, expect_datagram, nonce
from probes.protocols.http import build_request


def test_request() -> None:
    """H1: the request is exactly HEAD, the path, HTTP/1.0, CR LF and an empty line."""
    assert build_request() == b"HEAD / HTTP/1.0\r\n\r\n"


def test_request_with_host() -> None:
    """H9: a Host field is sent when asked for."""
    assert build_request("/a", "b:80") == b"HEAD /a HTTP/1.0\r\nHost: b:80\r\n\r\n"


@pytest.mark.parametrize(
    "line", ["Sun Aug 29 17:25:19 EST 2010", "Tuesday, February 22, 1982 17:37:43-PST", "~", " "]
)
def test_daytime_line(line: str) -> None:
    """D4, D6: any line of printable ASCII with CR LF will do."""
    reply = f"{line}\r\n".encode()
    assert daytime.read_line(reply) == line
    assert daytime.read_reply(reply) == line


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (b"", Outcome.CLOSED),
        (b"Sun", Outcome.CLOSED),
        (b"Sun\r", Outcome.CLOSED),
        (b"\r\n", Outcome.WRONG),
        (b"Sun\n", Outcome.WRONG),
        (b"Sun\n\r", Outcome.WRONG),
        (b"Sun\r\n\r\n", Outcome.WRONG),
        (b"Sun\r\nM", Outcome.WRONG),
        (b"Sun\rMon\r\n", Outcome.WRONG),
        (b"Sun\tAug\r\n", Outcome.WRONG),
        (b"Sun\0\r\n", Outcome.WRONG),
        (b"\xff", Outcome.WRONG),
    ],
)
def test_no_daytime_line(reply: bytes, outcome: Outcome) -> None:
    """D4, D6: a reply that ends too early is CLOSED, one of another shape is WRONG."""
    with pytest.raises(Failure) as caught:
        daytime.read_reply(reply)
    assert caught.value.outcome is outcome


@pytest.mark.parametrize("reply", [b"", b"Sun", b"Sun\r", b"\r\n", b"Sun\n", b"Sun\r\nM"])
def test_no_daytime_line_in_a_datagram(reply: bytes) -> None:
    """D3, D4: a datagram is whole when it comes, so one that is no line is WRONG."""
    with pytest.raises(Failure) as caught:
        daytime.read_line(reply)
    assert caught.value.outcome is Outcome.WRONG


def line_of(read: Callable[[bytes], str], reply: bytes) -> str | None:
    """The line that `read` finds in `reply`."""
    try:
        return read(reply)
    except Failure:
        return None


@given(st.binary(max_size=40) | st.from_regex(rb"[ -~]*\r?\n?"))
def test_daytime_line_or_failure(reply: bytes) -> None:
    """Any reply, and any datagram, is its line or a Failure."""
    lines = {line_of(daytime.read_reply, reply), line_of(daytime.read_line, reply)}
    assert len(lines) == 1
    if (line := lines.pop()) is None:
        return
    assert f"{line}\r\n".encode() == reply
    assert line.isprintable()


@pytest.mark.parametrize("size", [1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 1_000_000])
def test_nonce(size: int) -> None:
    """A nonce has its size, the same bytes for the same seed, and others for another."""
    whole = b"".join(nonce(1, size))
    assert len(whole) == size
    assert whole == b"".join(nonce(1, size))
    assert size == 1 or whole != b"".join(nonce(2, size))


def cut(data: bytes, size: int) -> Iterator[bytes]:
    """The pieces of `data`, each of `size` but the last."""
    return (data[at : at + size] for at in range(0, len(data), size))


def comparison(sent: bytes) -> Comparison:
    """A comparison with `sent`, which was made in chunks of seven."""
    return Comparison(cut(sent, 7), len(sent))


def compare(compared: Comparison, pieces: Iterable[bytes]) -> None:
    """Feed all pieces."""
    for piece in pieces:
        compared.feed(piece)


@given(st.binary(min_size=1), st.integers(1, 20))
def test_echo_in_any_pieces(sent: bytes, piece: int) -> None:
    """E1: what was sent may come back in pieces of any size."""
    compared = comparison(sent)
    compare(compared, cut(sent, piece))
    compared.end()
    assert compared.matched == len(sent)


@given(st.binary(min_size=1), st.integers(1, 20), st.data())
def test_wrong_byte(sent: bytes, piece: int, data: st.DataObject) -> None:
    """E1: the first wrong byte is found wherever it is, and its offset is named."""
    offset = data.draw(st.integers(0, len(sent) - 1))
    back = bytearray(sent)
    back[offset] ^= data.draw(st.integers(1, 255))
    compared = comparison(sent)
    with pytest.raises(Failure, match=f"offset {offset} is 0x{back[offset]:02x}") as caught:
        compare(compared, cut(bytes(back), piece))
    assert (caught.value.outcome, compared.matched) == (Outcome.WRONG, offset)


@pytest.mark.parametrize("pieces", [[b"0123456789", b"x"], [b"0123456789x"]])
def test_more_than_was_sent(pieces: list[bytes]) -> None:
    """E1: a byte after the last one is WRONG."""
    compared = comparison(b"0123456789")
    with pytest.raises(Failure, match="more came back") as caught:
        compare(compared, pieces)
    assert (caught.value.outcome, compared.matched) == (Outcome.WRONG, 10)


def test_less_than_was_sent() -> None:
    """E3: EOF before the last byte is CLOSED."""
    compared = comparison(b"0123456789")
    compared.feed(b"012345678")
    with pytest.raises(Failure) as caught:
        compared.end()
    assert caught.value.outcome is Outcome.CLOSED


@given(st.binary(), st.binary())
def test_echoed_datagram(sent: bytes, back: bytes) -> None:
    """E5: a datagram must come back as it was, empty or not; anything else is WRONG."""
    expect_datagram(sent, sent)
    if back != sent:
        with pytest.raises(Failure) as caught:
            expect_datagram(back, sent)
        assert caught.value.outcome is Outcome.WRONG


@pytest.mark.parametrize(
    ("back", "reason"),
    [
        (b"", "the datagram ends at offset 0 of the 4 bytes sent"),
        (b"abc", "the datagram ends at offset 3 of the 4 bytes sent"),
        (b"abXd", "the byte at offset 2 is 0x58, not 0x63"),
        (b"abXde", "the byte at offset 2 is 0x58, not 0x63"),
        (b"abcde", "more came back than the 4 bytes sent"),
    ],
)
def test_offset_in_a_datagram(back: bytes, reason: str) -> None:
    """E5: the first difference is named."""
    with pytest.raises(Failure) as caught:
        expect_datagram(back, b"abcd")
    assert caught.value.reason == reason

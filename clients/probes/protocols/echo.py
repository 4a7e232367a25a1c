"""One echo exchange, RFC 862.

Over TCP the client speaks first and closes, and every byte must come back. Over UDP one datagram
goes out, and the same must come back.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from random import Random

from probes.core.outcome import Failure, Outcome
from probes.net.tcp import Connection
from probes.net.udp import Association

CHUNK_BYTES = 64 * 1024


def nonce(seed: int, size: int) -> Iterator[bytes]:
    """`size` random-looking bytes in chunks, always the same ones for the same `seed`.

    Made twice, to send and to compare, they need never be held as a whole.
    """
    source = Random(seed)
    for start in range(0, size, CHUNK_BYTES):
        yield source.randbytes(min(CHUNK_BYTES, size - start))


def exchange(connection: Connection, size: int) -> str:
    """Send `size` fresh bytes while reading, half-close, and compare what returns until EOF.

    Raises Failure.
    """
    seed = fresh_seed()
    comparison = Comparison(nonce(seed, size), size)
    try:
        for data in connection.exchange(nonce(seed, size), math.inf, half_close=True):
            comparison.feed(data)
        comparison.end()
    except Failure as failure:
        raise failure.after(f"{comparison.matched} of {size} bytes came back") from failure
    return f"{size} bytes came back"


def exchange_datagrams(association: Association, size: int) -> str:
    """Send a datagram of `size` fresh bytes and compare the one that answers; raises Failure."""
    datagram = b"".join(nonce(fresh_seed(), size))
    expect_datagram(association.ask(datagram), datagram)
    return f"{size} bytes came back"


def expect_datagram(reply: bytes, sent: bytes) -> None:
    """Raise Failure (WRONG), naming the offset, unless `reply` is just what was `sent`.

    A datagram is whole when it comes, so there is none to wait for when it is too short.
    """
    comparison = Comparison(iter([sent]), len(sent))
    comparison.feed(reply)
    if comparison.matched < len(sent):
        reason = f"the datagram ends at offset {len(reply)} of the {len(sent)} bytes sent"
        raise Failure(Outcome.WRONG, reason)


def fresh_seed() -> int:
    """Return a seed that no other attempt has."""
    return int.from_bytes(os.urandom(16))


class Comparison:
    """Compares what comes back with the `size` bytes that were sent, piece by piece as it comes."""

    def __init__(self, expected: Iterator[bytes], size: int) -> None:
        self.matched = 0
        self.size = size
        self._chunks = expected
        self._chunk = b""
        self._offset = 0

    def feed(self, data: bytes) -> None:
        """Take the next bytes; raises Failure (WRONG) naming the first that is not as expected."""
        while data:
            expected = self._expect(len(data))
            if not data.startswith(expected):
                raise self._differ(data, expected)
            self.matched += len(expected)
            data = data[len(expected) :]

    def end(self) -> None:
        """Take EOF; raises Failure (CLOSED) when bytes are missing."""
        if self.matched < self.size:
            raise Failure(Outcome.CLOSED, "the peer closed early")

    def _expect(self, most: int) -> bytes:
        if self.matched == self.size:
            raise Failure(Outcome.WRONG, f"more came back than the {self.size} bytes sent")
        if self._offset == len(self._chunk):
            self._chunk, self._offset = next(self._chunks), 0
        end = self._offset + min(most, self.size - self.matched)
        expected = self._chunk[self._offset : end]
        self._offset += len(expected)
        return expected

    def _differ(self, data: bytes, expected: bytes) -> Failure:
        pairs = enumerate(zip(data, expected, strict=False))
        index, got, sent = next((i, got, sent) for i, (got, sent) in pairs if got != sent)
        self.matched += index
        reason = f"the byte at offset {self.matched} is 0x{got:02x}, not 0x{sent:02x}"
        return Failure(Outcome.WRONG, reason)

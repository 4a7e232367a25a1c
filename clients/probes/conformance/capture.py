"""What a check of a TCP service receives on its connection."""

from __future__ import annotations

from typing import NamedTuple

from probes.core.outcome import Failure, Outcome
from probes.net.tcp import Connection


class Capture(NamedTuple):
    """What was sent and received over one connection.

    `end` is how receiving ended: OK if the connection is still open, CLOSED after the peer's FIN,
    else the outcome of the failure.
    """

    sent: bytes
    received: bytes
    end: Outcome


def receive(
    connection: Connection, most: int, data: bytes = b"", *, half_close: bool = False
) -> tuple[bytes, Outcome]:
    """Send `data` while receiving up to `most` bytes; returns what came, and how that ended."""
    received = bytearray()
    try:
        for more in connection.exchange(iter([data]), most, half_close=half_close):
            received += more
    except Failure as failure:
        return bytes(received), failure.outcome
    return bytes(received), Outcome.OK if len(received) >= most else Outcome.CLOSED


def receive_more(connection: Connection, seconds: float) -> tuple[bytes, Outcome]:
    """Receive the next byte if it comes that soon; returns it and the end. OK is silence."""
    with connection.within(seconds):
        received, end = receive(connection, 1)
    return received, Outcome.OK if end is Outcome.TIMEOUT else end

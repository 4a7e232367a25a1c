"""What a check of a TCP service does with its connection, and what it hears."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from probes.core.outcome import Failure, Outcome
from probes.net.tcp import Connection


class Heard(NamedTuple):
    """What was sent and received over one connection.

    `end` is how the listening ended: OK with the connection still open, CLOSED with the peer's FIN,
    else as the failure it was.
    """

    sent: bytes
    received: bytes
    end: Outcome


def converse(
    connection: Connection,
    data: bytes | memoryview,
    most: int,
    feed: Callable[[bytes], object],
    then: Callable[[], object] = lambda: None,
) -> Outcome:
    """Send `data`, and `then` do that, while feeding what comes, up to `most` bytes of it.

    Returns OK after that many, or CLOSED after the peer's FIN; raises Failure.
    """
    unsent = memoryview(data)
    while most > 0:
        readable, writable = connection.wait(to_send=bool(unsent))
        # Reading comes first: what a peer said before it reset the connection tells more.
        if readable:
            if not (received := connection.receive(most)):
                return Outcome.CLOSED
            feed(received)
            most -= len(received)
        if writable:
            unsent = unsent[connection.send(unsent) :]
            if not unsent:
                then()
    return Outcome.OK


def hear(
    connection: Connection,
    most: int,
    data: bytes = b"",
    then: Callable[[], object] = lambda: None,
) -> tuple[bytes, Outcome]:
    """What comes, up to `most` bytes of it, while `data` is sent, and how that ended."""
    received = bytearray()
    try:
        end = converse(connection, data, most, received.extend, then)
    except Failure as failure:
        end = failure.outcome
    return bytes(received), end


def hear_more(connection: Connection, seconds: float) -> tuple[bytes, Outcome]:
    """The next byte if it comes that soon, and how that ended; OK is silence."""
    with connection.within(seconds):
        received, end = hear(connection, 1)
    return received, Outcome.OK if end is Outcome.TIMEOUT else end

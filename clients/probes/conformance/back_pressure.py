"""Back-pressure: send without reading until nothing more is taken, then read all of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import NamedTuple

from probes.conformance.check import Skip
from probes.core.outcome import Failure, Outcome
from probes.net.sockets import Context
from probes.net.tcp import Connection, open_connection
from probes.protocols.echo import Comparison, fresh_seed
from probes.protocols.echo_session import blocks

# Where nothing is taken for so long, all buffers are full.
STALL_S = 1.0
# The kernels of two neighbours may hold some ten MiB between them (tcp_rmem and tcp_wmem in
# tcp(7)), and there may be proxies in a row; whoever takes in this much keeps it himself.
MAX_TAKEN_BYTES = 128 * 1024 * 1024
BLOCK_BYTES = 64 * 1024


class BackPressure(NamedTuple):
    """How many bytes were taken while nothing was read, and whether there was an end to it."""

    taken: int
    is_stalled: bool


def press(context: Context) -> BackPressure:
    """Send random bytes, and compare what comes once nothing more is taken.

    How much that is buffers decide, so there is the whole of the time for it once more.
    """
    seed = fresh_seed()
    with open_connection(context) as connection:
        pressure, rest = send_until_stalled(connection, lines(seed))
        if pressure.is_stalled:
            connection.deadline.renew()
            read_back(connection, seed, rest, pressure.taken)
        return pressure


def lines(seed: int) -> Iterator[bytes]:
    """Random-looking bytes without end, always the same for the same `seed`, in blocks that end a
    line, for servers that wait for that.
    """
    return (block[:-1] + b"\n" for block in blocks(seed, BLOCK_BYTES))


def send_until_stalled(
    connection: Connection, data: Iterator[bytes]
) -> tuple[BackPressure, memoryview]:
    """Send without reading until that stalls; what came of it, and the unsent rest of a block.

    Raises Failure, or Skip when time ran out first.
    """
    taken, unsent = 0, memoryview(b"")
    try:
        while taken < MAX_TAKEN_BYTES:
            unsent = unsent or memoryview(next(data))
            with connection.within(STALL_S):
                count = connection.send(unsent)
            taken, unsent = taken + count, unsent[count:]
    except Failure as failure:
        if failure.outcome is not Outcome.TIMEOUT:
            raise failure.after(f"{taken} bytes taken, none read") from failure
        if connection.deadline.is_over():
            raise Skip(f"all the time went by while {taken} bytes were taken") from failure
        return BackPressure(taken, is_stalled=True), unsent
    return BackPressure(taken, is_stalled=False), unsent


def read_back(connection: Connection, seed: int, rest: memoryview, taken: int) -> None:
    """Send the `rest` of the last block while reading, and compare all.

    Raises Failure, or Skip when time runs out while bytes are still coming.
    """
    size = taken + len(rest)
    comparison = Comparison(lines(seed), size)
    began_s = last_s = time.monotonic()
    try:
        for data in connection.exchange(iter([rest]), size):
            last_s = time.monotonic()
            comparison.feed(data)
        comparison.end()
    except Failure as failure:
        progress = f"{comparison.matched} of {size} bytes came back after a stall"
        now_s = time.monotonic()
        is_coming = now_s - last_s < min(STALL_S, (now_s - began_s) / 2)
        if failure.outcome is Outcome.TIMEOUT and is_coming:
            raise Skip(f"all the time went by while {progress}") from failure
        raise failure.after(progress) from failure


def expect_bound(pressure: BackPressure) -> str:
    """Sending came to an end by itself."""
    if pressure.is_stalled:
        return f"sending stalled after {pressure.taken} bytes"
    reason = f"{pressure.taken} bytes were taken in, there or on the way, while none was read"
    raise Failure(Outcome.WRONG, reason)

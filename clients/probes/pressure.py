"""Back-pressure: send without reading until nothing more is taken, then read all of it."""

from __future__ import annotations

import os
from itertools import repeat
from typing import NamedTuple

from probes.check import Skip, Way
from probes.connection import Connection, open_connection
from probes.echo import Comparison
from probes.hearing import converse
from probes.outcome import Failure, Outcome

# Where nothing is taken for so long, all buffers are full.
STALL_S = 1.0
# The kernels of both ends may hold some MiB each way (tcp_rmem and tcp_wmem in tcp(7)); a server
# that takes in this much keeps it itself.
MAX_TAKEN_BYTES = 32 * 1024 * 1024
BLOCK_BYTES = 64 * 1024


class Pressure(NamedTuple):
    """How many bytes were taken while nothing was read, and whether there was an end to it."""

    taken: int
    is_stalled: bool


def press(way: Way) -> Pressure:
    """Send random bytes over and over, and compare what comes once nothing more is taken."""
    block = memoryview(os.urandom(BLOCK_BYTES - 1) + b"\n")
    with open_connection(*way) as connection:
        pressure = send_until_stalled(connection, block)
        if pressure.is_stalled:
            # The block is sent to its end, for servers that wait for the end of a line.
            read_back(connection, block, block[pressure.taken % len(block) :], pressure.taken)
        return pressure


def send_until_stalled(connection: Connection, block: memoryview) -> Pressure:
    """Send without reading until that stalls; raises Failure, or Skip when time ran out first."""
    taken = 0
    try:
        while taken < MAX_TAKEN_BYTES:
            with connection.within(STALL_S):
                taken += connection.send(block[taken % len(block) :])
    except Failure as failure:
        if failure.outcome is not Outcome.TIMEOUT:
            raise failure.after(f"{taken} bytes taken, none read") from failure
        if connection.deadline.is_over():
            raise Skip(f"all the time went by while {taken} bytes were taken") from failure
        return Pressure(taken, is_stalled=True)
    return Pressure(taken, is_stalled=False)


def read_back(connection: Connection, block: memoryview, rest: memoryview, taken: int) -> None:
    """Send the `rest` of the block while reading, and compare all; raises Failure."""
    size = taken + len(rest)
    comparison = Comparison(repeat(bytes(block)), size)
    try:
        converse(connection, rest, size, comparison.feed)
        comparison.end()
    except Failure as failure:
        progress = f"{comparison.matched} of {size} bytes came back after a stall"
        raise failure.after(progress) from failure


def is_bounded(pressure: Pressure) -> str:
    """Sending came to an end by itself."""
    if pressure.is_stalled:
        return f"sending stalled after {pressure.taken} bytes"
    raise Failure(Outcome.WRONG, f"{pressure.taken} bytes were taken in while none was read")

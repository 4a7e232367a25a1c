"""One long echo conversation, RFC 862: a block out now and then, and every byte back."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from random import Random

from probes.core.outcome import Failure, Outcome
from probes.net.tcp import Connection
from probes.protocols.echo import Comparison, fresh_seed
from probes.protocols.pauses import Pause, Pauses


def blocks(seed: int, size: int) -> Iterator[bytes]:
    """Blocks of `size` random-looking bytes without end, always the same for the same `seed`."""
    source = Random(seed)
    while True:
        yield source.randbytes(size)


class Conversation:
    """Sends a block of `size` fresh bytes each `interval_s`, unless the last is still on its way.

    What comes back is compared as it comes, with the same bytes made again, so none is kept.
    """

    def __init__(
        self,
        connection: Connection,
        size: int,
        interval_s: float,
        gap_s: float,
        tell: Callable[[Pause], None],
    ) -> None:
        seed = fresh_seed()
        self.pauses = Pauses(gap_s, tell)
        self._connection = connection
        self._interval_s = interval_s
        self._due = 0.0
        self._blocks = blocks(seed, size)
        self._unsent = memoryview(b"")
        self._comparison = Comparison(blocks(seed, size), 0)

    @property
    def sent(self) -> int:
        """How many bytes have been sent."""
        return self._comparison.size

    @property
    def matched(self) -> int:
        """How many bytes have come back: the offset of the next."""
        return self._comparison.matched

    def hold(self, duration_s: float, timeout_s: float) -> str:
        """Converse for so long, then end it within `timeout_s`; returns what came of it.

        Raises Failure, and TIMEOUT also when there was a pause that is too long.
        """
        try:
            self._go_on(duration_s)
            self._finish(timeout_s)
            self._judge_pauses()
        except Failure as failure:
            raise failure.after(f"{self.matched} bytes came back") from failure
        return f"{self.matched} bytes came back"

    def _go_on(self, duration_s: float) -> None:
        now = time.monotonic()
        end = now + duration_s
        self._begin_block(now)
        while (now := time.monotonic()) < end:
            if now >= self._due and not self._unsent:
                self._begin_block(now)
            # While a block waits for room there is no next one to be woken for.
            if self._turn(end if self._unsent else min(end, self._due)):
                raise Failure(Outcome.CLOSED, "the peer closed")

    def _begin_block(self, now: float) -> None:
        self._due = now + self._interval_s
        self._unsent = memoryview(next(self._blocks))

    def _finish(self, timeout_s: float) -> None:
        self._connection.deadline.shorten(timeout_s)
        while self._unsent:
            if self._turn(math.inf):
                raise Failure(Outcome.CLOSED, "the peer closed")
        self._connection.finish_sending()
        while not self._turn(math.inf):
            pass
        self._comparison.end()

    def _judge_pauses(self) -> None:
        if self.pauses.count:
            longest, gap = self.pauses.longest_s, self.pauses.gap_s
            raise Failure(Outcome.TIMEOUT, f"a pause of {longest:.3f} s, longer than {gap:g} s")

    def _turn(self, until: float) -> bool:
        """Wait for something to do, until then at most, and do it; whether the peer has closed."""
        wait_s = max(0.0, min(until, self.pauses.due) - time.monotonic())
        readable, writable = self._connection.wait(to_send=bool(self._unsent), at_most_s=wait_s)
        self.pauses.look(time.monotonic())
        # Reading comes first: what a peer said before it reset the connection tells more.
        if readable:
            if not (data := self._connection.receive()):
                return True
            self.pauses.received(time.monotonic())
            if not self.sent:
                raise Failure(Outcome.WRONG, f"{len(data)} bytes came before anything was sent")
            self._comparison.feed(data)
        if writable:
            count = self._connection.send(self._unsent)
            self._unsent = self._unsent[count:]
            self._comparison.size += count
        if self.matched < self.sent:
            self.pauses.owed(time.monotonic())
        return False

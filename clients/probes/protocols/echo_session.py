"""One long echo session, RFC 862: a block out now and then, and every byte back."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

from probes.core.outcome import Failure, Outcome
from probes.core.result import Result, Transport
from probes.core.target import ProbeOptions
from probes.net.deadline import Deadline
from probes.net.sockets import Context
from probes.net.tcp import Connection, open_connection
from probes.protocols.echo import Comparison, fresh_seed

# Later than any end, since this process, too, may be stopped for a while (Ctrl-Z).
NO_DEADLINE_S = 2 * 86400.0


@dataclass(frozen=True)
class HoldOptions(ProbeOptions):
    """How long a connection is held, and what is sent on it."""

    interval_s: float
    gap_s: float
    duration_s: float
    size_bytes: int


def hold(
    options: HoldOptions,
    opened: Callable[[EchoSession, str | None], None],
    tell: Callable[[Pause], None],
) -> Result:
    """Connect and hold the connection; returns how it ended. `opened` gets session and address."""
    context = Context.begin(options, Transport.TCP)
    try:
        with open_connection(context) as connection:
            connection.deadline = Deadline(NO_DEADLINE_S)
            session = EchoSession(connection, options, tell)
            opened(session, context.trace.address)
            detail = session.run()
    except Failure as failure:
        return context.result(failure.outcome, failure.reason)
    return context.result(Outcome.OK, detail)


def blocks(seed: int, size: int) -> Iterator[bytes]:
    """Blocks of `size` random-looking bytes without end, always the same for the same `seed`."""
    source = Random(seed)
    while True:
        yield source.randbytes(size)


class EchoSession:
    """Sends a block of fresh bytes each interval, unless the last is still on its way.

    What comes back is compared as it comes, with the same bytes made again, so none is kept. `tell`
    receives every pause.
    """

    def __init__(
        self, connection: Connection, options: HoldOptions, tell: Callable[[Pause], None]
    ) -> None:
        seed = fresh_seed()
        self.pauses = Pauses(options.gap_s, tell)
        self._connection = connection
        self._options = options
        self._due = 0.0
        self._blocks = blocks(seed, options.size_bytes)
        self._unsent = memoryview(b"")
        self._comparison = Comparison(blocks(seed, options.size_bytes), 0)

    @property
    def sent(self) -> int:
        """How many bytes have been sent."""
        return self._comparison.size

    @property
    def matched(self) -> int:
        """How many bytes have come back: the offset of the next."""
        return self._comparison.matched

    def run(self) -> str:
        """Hold the connection for its time, then end it; returns a summary in words.

        Raises Failure, and TIMEOUT also when there was a pause that is too long.
        """
        try:
            self._go_on()
            self._finish()
            self._expect_no_pause()
        except Failure as failure:
            raise failure.after(f"{self.matched} bytes came back") from failure
        return f"{self.matched} bytes came back"

    def _go_on(self) -> None:
        now = time.monotonic()
        end = now + self._options.duration_s
        self._begin_block(now)
        while (now := time.monotonic()) < end:
            if now >= self._due and not self._unsent:
                self._begin_block(now)
            # While a block waits for room there is no next one to be woken for.
            if self._step(end if self._unsent else min(end, self._due)):
                raise Failure(Outcome.CLOSED, "the peer closed")

    def _begin_block(self, now: float) -> None:
        self._due = now + self._options.interval_s
        self._unsent = memoryview(next(self._blocks))

    def _finish(self) -> None:
        self._connection.deadline.shorten(self._options.timeout_s)
        while self._unsent:
            if self._step(math.inf):
                raise Failure(Outcome.CLOSED, "the peer closed")
        self._connection.finish_sending()
        while not self._step(math.inf):
            pass
        self._comparison.end()

    def _expect_no_pause(self) -> None:
        if self.pauses.count:
            longest, gap = self.pauses.longest_s, self.pauses.gap_s
            raise Failure(Outcome.TIMEOUT, f"a pause of {longest:.3f} s, longer than {gap:g} s")

    def _step(self, until: float) -> bool:
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
            self.pauses.pending(time.monotonic())
        return False


@dataclass(frozen=True)
class Pause:
    """A pause longer than allowed: how long it is so far, or how long it was when it was `over`."""

    seconds: float
    over: bool


class Pauses:
    """Measures pauses; tells of each as it becomes longer than `gap_s`, and again when it is over.

    Silence is no pause while no byte is pending. Times are seconds on any one clock.
    """

    def __init__(self, gap_s: float, tell: Callable[[Pause], None]) -> None:
        self.gap_s = gap_s
        self.count = 0
        self.longest_s = 0.0
        self._tell = tell
        self._since: float | None = None
        self._is_told = False

    @property
    def due(self) -> float:
        """When the pause that is under way becomes too long, if nothing comes; else infinity."""
        if self._since is None or self._is_told:
            return math.inf
        return self._since + self.gap_s

    def pending(self, now: float) -> None:
        """From now on bytes are pending, unless some were before."""
        if self._since is None:
            self._since = now

    def received(self, now: float) -> None:
        """Bytes have come, and none is pending until `pending` says so."""
        self.look(now)
        if self._is_told and self._since is not None:
            self._tell(Pause(now - self._since, over=True))
        self._since, self._is_told = None, False

    def look(self, now: float) -> None:
        """Nothing has come until now."""
        if self._since is None:
            return
        self.longest_s = max(self.longest_s, now - self._since)
        if now >= self.due:
            self.count += 1
            self._is_told = True
            self._tell(Pause(now - self._since, over=False))

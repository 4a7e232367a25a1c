"""One loop for all callers: `epoll` says who can go on, and nobody is ever waited for.

Level-triggered: what a turn leaves undone is reported again, so a turn is one receive and one
send, and no caller can keep the loop from the others. The time is read once for all the turns
that one wait gives.
"""

import math
import select
import time
from collections.abc import Iterator
from itertools import islice

from runtime.connection import Accepted, Ending
from runtime.conversation import READABLE, Conversation
from runtime.listening import NOT_NOW, accept, accept_queued, no_memory
from runtime.ports import CannotStart
from runtime.service import Server, Service

# How often every caller's deadline is looked at.
SWEEP_S = 0.25

# Deadlines looked at between two waits, so that a sweep over thousands holds up nobody.
SWEEP_BATCH = 512

# Callers accepted in one turn, so that a burst of them does not hold up those being served.
ACCEPT_BATCH = 64


def serve(server: Server[Service]) -> None:
    """Serve until the stop is requested, then finish with the callers there are.

    Raises CannotStart.
    """
    with select.epoll() as epoll:
        Loop(server, epoll).run()


class Loop:
    """The callers by descriptor, in the order of arrival, and the turns that they get."""

    def __init__(self, server: Server[Service], epoll: select.epoll) -> None:
        self._server = server
        self._epoll = epoll
        self._conversations: dict[int, Conversation] = server.tally.open
        self._conversation = server.service.conversations(epoll.modify, server.log)
        self._accepting = True
        self._draining = False
        self._queued: Iterator[Accepted] = iter(())  # to be accepted before the listener closes
        self._now = time.monotonic()
        self._next_sweep = math.inf
        self._unswept: list[Conversation] = []  # left of the sweep under way

    def run(self) -> None:
        """Give turns until the stop is requested and all callers have ended."""
        self._watch_own()
        working_since = self._server.heartbeat.cell
        while self._conversations or not self._draining or self._is_listening():
            events = self._epoll.poll(self._timeout())
            self._now = working_since[0] = time.monotonic()
            self._give_turns(events)
            if self._draining and self._is_listening():
                self._accept_last()
            self._sweep_if_due()
            working_since[0] = math.inf

    def _watch_own(self) -> None:
        """Watch for all that is no caller."""
        datagrams = self._server.datagrams.sockets if self._server.datagrams else ()
        try:
            for each in (self._server.stop, *datagrams, self._server.listener):
                self._epoll.register(each, READABLE)
        except OSError as error:  # the user has used up what he may watch (epoll(7))
            reason = (error.strerror or str(error)).lower()
            raise CannotStart(f"epoll watch: {reason}") from None

    def _give_turns(self, events: list[tuple[int, int]]) -> None:
        find = self._conversations.get
        idle_at = self._now + self._server.service.idle_timeout
        for descriptor, _ in events:
            conversation = find(descriptor)
            if conversation is None:
                self._other_turn(descriptor)
                continue
            try:
                ending = conversation.turn(idle_at)
            except BlockingIOError:
                continue
            except (OSError, MemoryError) as error:
                ending = Ending.of(error)
            if ending:
                self._end(conversation, ending)

    def _other_turn(self, descriptor: int) -> None:
        """Do what a descriptor is ready for that is no caller's; it may have been one's."""
        if descriptor == self._server.listener.fileno() and self._accepting:
            self._accept_waiting()
        elif self._server.datagrams and descriptor in self._server.datagrams.sockets:
            self._server.datagrams.turn(descriptor)
        elif descriptor == self._server.stop.fileno():
            self._drain()

    def _accept_waiting(self) -> None:
        """Take callers off the queue; stop accepting where there is no room or no means."""
        for _ in range(ACCEPT_BATCH):
            is_full = self._server.room() <= 0
            lingering = self._oldest_lingering() if is_full else None
            if is_full and not lingering:
                self._pause_accepting()
                return
            try:
                accepted = accept(self._server.listener)
            except OSError as error:
                if error.errno not in NOT_NOW:
                    raise
                self._server.accept_failed(error)
                self._pause_accepting()
                return
            if accepted is None:
                return
            if lingering:
                self._end(lingering, Ending.LINGERED)
            self._begin(accepted)

    def _begin(self, accepted: Accepted) -> None:
        try:
            conversation = self._conversation(accepted)
            self._server.tally.opened(conversation)
        except MemoryError:
            accepted[0].close()
            self._server.accept_failed(no_memory())
            return
        try:
            self._epoll.register(conversation.socket, READABLE)
            conversation.begin(self._now + self._server.service.idle_timeout)
            if conversation.lingering:
                self._server.tally.lingers(conversation)
        except (OSError, MemoryError) as error:
            self._end(conversation, Ending.of(error))

    def _end(self, conversation: Conversation, ending: Ending) -> None:
        self._server.ended(conversation, ending)  # its close takes it out of the epoll set too
        if not self._accepting:
            self._resume_accepting()

    def _timeout(self) -> float | None:
        """Seconds until the next part of a sweep; None when there is nothing to look at."""
        if self._draining and self._is_listening():
            return 0.0
        if self._next_sweep == math.inf:
            return None
        return max(0.0, self._next_sweep - self._now)

    def _sweep_if_due(self) -> None:
        """Sweep in time; and once after all that happens, also where it left nobody behind."""
        if self._now >= self._next_sweep:
            self._sweep()
        elif self._next_sweep == math.inf:
            self._next_sweep = self._now + SWEEP_S

    def _sweep(self) -> None:
        """End who is late, some at a time; then try to accept again, and publish the counts."""
        if not self._unswept:
            self._unswept = list(self._conversations.values())
        self._end_who_is_late(self._unswept[-SWEEP_BATCH:])
        del self._unswept[-SWEEP_BATCH:]
        if self._unswept:
            return
        if not self._accepting:
            self._resume_accepting()
        self._server.tally.publish()
        at_rest = not self._conversations and (self._accepting or self._draining)
        self._next_sweep = math.inf if at_rest else self._now + SWEEP_S

    def _end_who_is_late(self, conversations: list[Conversation]) -> None:
        drained = self._now >= self._server.stop.deadline
        for conversation in conversations:
            if self._now < conversation.deadline and not drained:
                continue
            if conversation.socket.fileno() >= 0:  # not ended since the sweep began
                ending = Ending.DRAINED if drained else conversation.late(self._now)
                if ending:
                    self._end(conversation, ending)

    def _drain(self) -> None:
        """Begin to empty the queue; the loop ends with the last connection."""
        self._draining, self._accepting = True, False
        self._server.stop.heed()
        self._epoll.unregister(self._server.stop)
        self._epoll.unregister(self._server.listener)
        if self._server.datagrams:
            self._server.datagrams.finish()
        self._queued = accept_queued(self._server.listener)

    def _accept_last(self) -> None:
        """Accept a batch of what was queued at the stop; close the listener after the last."""
        batch = list(islice(self._queued, ACCEPT_BATCH))
        for accepted in batch:
            self._begin(accepted)
        if len(batch) < ACCEPT_BATCH:
            self._server.listener.close()

    def _is_listening(self) -> bool:
        return self._server.listener.fileno() >= 0

    def _oldest_lingering(self) -> Conversation | None:
        return next(iter(self._server.tally.lingering.values()), None)

    def _pause_accepting(self) -> None:
        # Not unregistered: to resume would need a further watch, of which there may be none left.
        self._epoll.modify(self._server.listener, 0)
        self._accepting = False

    def _resume_accepting(self) -> None:
        if not self._draining:
            self._epoll.modify(self._server.listener, READABLE)
            self._accepting = True

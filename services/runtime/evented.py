"""One event loop for all connections: `epoll` reports which are ready, and no call blocks.

Level-triggered: what a callback leaves undone is reported again. So a callback is one receive and
one send, and no connection can occupy the loop. The time is read once for all callbacks of a poll.
"""

import math
import select
import time
from collections.abc import Iterator
from itertools import islice

from runtime.connection import Accepted, CloseReason
from runtime.context import ServerContext
from runtime.handler import READABLE, Handler
from runtime.options import reason as text_of
from runtime.ports import CannotStart
from runtime.service import Service
from runtime.tcp import NOT_NOW, accept, accept_queued, no_memory

# How often the deadlines of all connections are checked.
SWEEP_S = 0.25

# Deadlines checked between two polls, so that a sweep over thousands of connections delays none.
SWEEP_BATCH = 512

# Connections accepted between two polls, so that a burst does not delay the open connections.
ACCEPT_BATCH = 64


def serve(context: ServerContext[Service]) -> None:
    """Serve until the drain begins, then finish the open connections.

    Raises CannotStart.
    """
    with select.epoll() as epoll:
        Loop(context, epoll).run()


class Loop:
    """The handlers by descriptor, and the callbacks that they get."""

    def __init__(self, context: ServerContext[Service], epoll: select.epoll) -> None:
        self._context = context
        self._epoll = epoll
        self._handlers: dict[int, Handler] = context.counters.open
        self._make_handler = context.service.handlers(epoll.modify, context.log)
        self._accepting = True
        self._draining = False
        self._queued: Iterator[Accepted] = iter(())  # to be accepted before the listener closes
        self._now = time.monotonic()
        self._next_sweep = math.inf
        self._unswept: list[Handler] = []  # left of the sweep under way

    def run(self) -> None:
        """Call handlers back until the drain has begun and all connections are closed."""
        self._watch_own_sockets()
        working_since = self._context.heartbeat.cell
        while self._handlers or not self._draining or self._is_listening():
            events = self._epoll.poll(self._timeout())
            self._now = working_since[0] = time.monotonic()
            self._call_back(events)
            if self._draining and self._is_listening():
                self._accept_last()
            self._sweep_if_due()
            working_since[0] = math.inf

    def _watch_own_sockets(self) -> None:
        """Watch what is not a connection. Raises CannotStart."""
        udp = self._context.udp.sockets if self._context.udp else ()
        try:
            for each in (self._context.shutdown, *udp, self._context.listener):
                self._epoll.register(each, READABLE)
        except OSError as error:  # the user has reached max_user_watches (epoll(7))
            raise CannotStart(f"epoll watch: {text_of(error)}") from None

    def _call_back(self, events: list[tuple[int, int]]) -> None:
        find = self._handlers.get
        idle_at = self._now + self._context.service.idle_timeout
        for descriptor, _ in events:
            handler = find(descriptor)
            if handler is None:
                self._on_own_ready(descriptor)
                continue
            try:
                reason = handler.on_ready(idle_at)
            except BlockingIOError:
                continue
            except (OSError, MemoryError) as error:
                reason = CloseReason.of(error)
            if reason:
                self._close(handler, reason)

    def _on_own_ready(self, descriptor: int) -> None:
        """Handle a descriptor without a handler. Its connection may be closed already."""
        if descriptor == self._context.listener.fileno() and self._accepting:
            self._accept_waiting()
        elif self._context.udp and descriptor in self._context.udp.sockets:
            self._context.udp.on_ready(descriptor)
        elif descriptor == self._context.shutdown.fileno():
            self._drain()

    def _accept_waiting(self) -> None:
        """Accept a batch of queued connections. Pause if there is no room, descriptor or memory."""
        for _ in range(ACCEPT_BATCH):
            is_full = self._context.room() <= 0
            lingering = self._oldest_lingering() if is_full else None
            if is_full and not lingering:
                self._pause_accepting()
                return
            try:
                accepted = accept(self._context.listener)
            except OSError as error:
                if error.errno not in NOT_NOW:
                    raise
                self._context.accept_failed(error)
                self._pause_accepting()
                return
            if accepted is None:
                return
            if lingering:
                self._close(lingering, CloseReason.LINGERED)
            self._begin(accepted)

    def _begin(self, accepted: Accepted) -> None:
        try:
            handler = self._make_handler(accepted)
            self._context.counters.opened(handler)
        except MemoryError:
            accepted[0].close()
            self._context.accept_failed(no_memory())
            return
        try:
            self._epoll.register(handler.socket, READABLE)
            handler.on_accepted(self._now + self._context.service.idle_timeout)
            if handler.lingering:
                self._context.counters.lingers(handler)
        except (OSError, MemoryError) as error:
            self._close(handler, CloseReason.of(error))

    def _close(self, handler: Handler, reason: CloseReason) -> None:
        self._context.close(handler, reason)  # its close takes it out of the epoll set too
        if not self._accepting:
            self._resume_accepting()

    def _timeout(self) -> float | None:
        """Return the seconds until the next part of a sweep; None if none is due."""
        if self._draining and self._is_listening():
            return 0.0
        if self._next_sweep == math.inf:
            return None
        return max(0.0, self._next_sweep - self._now)

    def _sweep_if_due(self) -> None:
        """Sweep when it is time, and once after the last event, even if no connection is left."""
        if self._now >= self._next_sweep:
            self._sweep()
        elif self._next_sweep == math.inf:
            self._next_sweep = self._now + SWEEP_S

    def _sweep(self) -> None:
        """Close expired connections, one batch per call. After the last batch resume accepting."""
        if not self._unswept:
            self._unswept = list(self._handlers.values())
        self._close_expired(self._unswept[-SWEEP_BATCH:])
        del self._unswept[-SWEEP_BATCH:]
        if self._unswept:
            return
        if not self._accepting:
            self._resume_accepting()
        self._context.counters.publish()
        at_rest = not self._handlers and (self._accepting or self._draining)
        self._next_sweep = math.inf if at_rest else self._now + SWEEP_S

    def _close_expired(self, handlers: list[Handler]) -> None:
        drained = self._now >= self._context.shutdown.deadline
        for handler in handlers:
            if self._now < handler.deadline and not drained:
                continue
            if handler.socket.fileno() >= 0:  # not closed since the sweep began
                reason = CloseReason.DRAINED if drained else handler.on_expired(self._now)
                if reason:
                    self._close(handler, reason)

    def _drain(self) -> None:
        """Begin to accept what is queued. The loop ends with the last connection."""
        self._draining, self._accepting = True, False
        self._context.shutdown.note_hang_up()
        self._epoll.unregister(self._context.shutdown)
        self._epoll.unregister(self._context.listener)
        if self._context.udp:
            self._context.udp.finish()
        self._queued = accept_queued(self._context.listener)

    def _accept_last(self) -> None:
        """Accept a batch of the queued connections. Close the listener after the last."""
        batch = list(islice(self._queued, ACCEPT_BATCH))
        for accepted in batch:
            self._begin(accepted)
        if len(batch) < ACCEPT_BATCH:
            self._context.listener.close()

    def _is_listening(self) -> bool:
        return self._context.listener.fileno() >= 0

    def _oldest_lingering(self) -> Handler | None:
        return next(iter(self._context.counters.lingering.values()), None)

    def _pause_accepting(self) -> None:
        # Not unregistered: the system may refuse a new watch later.
        self._epoll.modify(self._context.listener, 0)
        self._accepting = False

    def _resume_accepting(self) -> None:
        if not self._draining:
            self._epoll.modify(self._context.listener, READABLE)
            self._accepting = True

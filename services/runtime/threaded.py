"""One thread per connection: no client waits for another, and each connection costs a stack.

The main thread accepts. The thread of a connection does what the iterative model does, and wakes
the main thread when there is room again, through a pipe that is polled beside the listener.
"""

import _thread
import math
import os
import select
import time
from contextlib import suppress

from runtime.blocking import accept_last, accept_next, serve_connection
from runtime.blocking_connection import BlockingConnection
from runtime.context import ServerContext
from runtime.service import BlockingService

# How soon to try again when the system gives no further thread (pids limit, memory).
THREAD_RETRY_S = 0.1

# After the drain deadline, when every thread closes its connection: a thousand threads on one core
# take more than a second.
JOIN_GRACE_S = 3.0


def serve(context: ServerContext[BlockingService]) -> None:
    """Serve until the drain begins, then finish the open connections."""
    threads = ConnectionThreads(context)
    while not context.shutdown.draining:
        if threads.wait_for_next():
            with context.heartbeat:
                connection = accept_next(context)
            if connection:
                threads.start(connection)
    for connection in accept_last(context):
        threads.start(connection)
    threads.join()


class ConnectionThreads:
    """The connections that have a thread. Only `_run` and `_wake` run in those threads."""

    def __init__(self, context: ServerContext[BlockingService]) -> None:
        self._context = context
        self._evicted: BlockingConnection | None = None
        self._served: set[BlockingConnection] = set()
        self._woken, self._waking = os.pipe()
        os.set_blocking(self._waking, False)

    def wait_for_next(self) -> bool:
        """Wait for a connection and for room for it. Returns False if something else came first."""
        # One wait per call: it consumes the wake-ups, so all conditions must be read again.
        listener = self._context.listener.fileno()
        if self._context.room() > 0:
            return listener in self._wait({listener: select.POLLIN})
        if self._is_evicting() or not self._context.counters.lingering:
            self._wait({})
        elif listener in self._wait({listener: select.POLLIN}) and self._context.room() <= 0:
            self._evict_oldest_lingering()
        return False

    def start(self, connection: BlockingConnection) -> None:
        """Start a thread for the connection, as soon as the system allows one."""
        connection.on_lingering = self._wake
        while time.monotonic() < self._context.shutdown.deadline:
            self._served.add(connection)
            try:
                # Not threading.Thread, whose start waits until the thread runs. Without memory for
                # that it would wait for ever.
                _thread.start_new_thread(self._run, (connection,))
                return
            except RuntimeError as error:
                self._served.remove(connection)
                self._context.log.write_limited("warning", "thread not started", error=str(error))
                self._wait({}, time.monotonic() + THREAD_RETRY_S)
        self._run(connection)  # past the deadline, so it returns at once

    def join(self) -> None:
        """Wait for all threads, which end at the drain deadline."""
        until = self._context.shutdown.deadline + JOIN_GRACE_S
        while self._served and time.monotonic() < until:
            self._wait({}, until)

    def _run(self, connection: BlockingConnection) -> None:
        try:
            serve_connection(self._context, connection)
        finally:
            self._served.discard(connection)
            self._wake()

    def _wake(self) -> None:
        with suppress(BlockingIOError):  # full of wake-ups already
            os.write(self._waking, b".")

    def _evict_oldest_lingering(self) -> None:
        counters = self._context.counters
        with counters.lock:  # a thread takes it before it closes its connection
            if counters.lingering:
                _, self._evicted = counters.lingering.popitem(last=False)
                self._evicted.evict()

    def _is_evicting(self) -> bool:
        """Return whether the last evicted connection is still open."""
        return self._evicted is not None and self._evicted.socket.fileno() >= 0

    def _wait(self, events: dict[int, int], until: float = math.inf) -> set[int]:
        """Wait for events, for a wake-up by a thread, or for the drain."""
        ready = self._context.shutdown.wait(events | {self._woken: select.POLLIN}, until)
        if self._woken in ready:
            os.read(self._woken, 4096)
        return ready

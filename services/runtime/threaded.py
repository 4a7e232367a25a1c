"""A thread for each caller: nobody waits for anybody, and every caller costs a stack.

The main thread accepts. A caller's thread does what the iterative model does, and wakes the
main thread when there is room again, through a pipe, which can be polled beside the listener.
"""

import _thread
import math
import os
import select
import time
from contextlib import suppress

from runtime.blocking import BlockingConnection, converse, last_callers, next_caller
from runtime.service import BlockingService, Server

# How soon to try again when the system gives no further thread (pids limit, memory).
THREAD_RETRY_S = 0.1

# Beyond the drain deadline, at which every thread gives up its caller: a thousand of them on one
# core take more than a second for it.
JOIN_GRACE_S = 3.0


def serve(server: Server[BlockingService]) -> None:
    """Serve until the stop is requested, then finish with the callers there are."""
    callers = Callers(server)
    while not server.stop.requested:
        if callers.wait_for_next():
            with server.heartbeat:
                connection = next_caller(server)
            if connection:
                callers.start(connection)
    for connection in last_callers(server):
        callers.start(connection)
    callers.join()


class Callers:
    """The callers that have a thread; for the main thread, but for `_run` and `_wake`."""

    def __init__(self, server: Server[BlockingService]) -> None:
        self._server = server
        self._leaving: BlockingConnection | None = None
        self._served: set[BlockingConnection] = set()
        self._woken, self._waking = os.pipe()
        os.set_blocking(self._waking, False)

    def wait_for_next(self) -> bool:
        """Wait until there is a caller and room for it; False if anything else woke us."""
        # One wait in each call, since it takes the wake-ups: what they told must be seen anew.
        listener = self._server.listener.fileno()
        if self._server.room() > 0:
            return listener in self._wait({listener: select.POLLIN})
        if self._is_leaving() or not self._server.tally.lingering:
            self._wait({})
        elif listener in self._wait({listener: select.POLLIN}) and self._server.room() <= 0:
            self._let_go_oldest_lingering()
        return False

    def start(self, connection: BlockingConnection) -> None:
        """Give the connection a thread, as soon as there is one to be had."""
        connection.on_lingering = self._wake
        while time.monotonic() < self._server.stop.deadline:
            self._served.add(connection)
            try:
                # Not by threading.Thread, whose start waits for the thread to come up: where
                # there is no memory for that, it would wait for ever.
                _thread.start_new_thread(self._run, (connection,))
                return
            except RuntimeError as error:
                self._served.remove(connection)
                self._server.log.seldom("warning", "thread not started", error=str(error))
                self._wait({}, time.monotonic() + THREAD_RETRY_S)
        self._run(connection)  # past the deadline, so it is over at once

    def join(self) -> None:
        """Wait for all threads, which give up at the drain deadline."""
        until = self._server.stop.deadline + JOIN_GRACE_S
        while self._served and time.monotonic() < until:
            self._wait({}, until)

    def _run(self, connection: BlockingConnection) -> None:
        try:
            converse(self._server, connection)
        finally:
            self._served.discard(connection)
            self._wake()

    def _wake(self) -> None:
        with suppress(BlockingIOError):  # full of wake-ups already
            os.write(self._waking, b".")

    def _let_go_oldest_lingering(self) -> None:
        tally = self._server.tally
        with tally.lock:  # which a thread takes before it closes its connection
            if tally.lingering:
                _, self._leaving = tally.lingering.popitem(last=False)
                self._leaving.let_go()

    def _is_leaving(self) -> bool:
        """Whether the caller last let go still takes up its place."""
        return self._leaving is not None and self._leaving.socket.fileno() >= 0

    def _wait(self, events: dict[int, int], until: float = math.inf) -> set[int]:
        """Wait for events, for a thread that wakes us, or for the stop."""
        ready = self._server.stop.wait(events | {self._woken: select.POLLIN}, until)
        if self._woken in ready:
            os.read(self._woken, 4096)
        return ready

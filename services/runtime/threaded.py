"""A thread for each caller: nobody waits for anybody, and every caller costs a stack.

The main thread accepts. A caller's thread does what the iterative model does, and wakes the
main thread when it is done, through a pipe, since a pipe can be polled beside the listener.
"""

import math
import os
import select
import threading
import time
from contextlib import suppress

from runtime.blocking import BlockingConnection, converse, last_callers, next_caller
from runtime.service import Server

# How soon to try again when the system gives no further thread (pids limit, memory).
THREAD_RETRY_S = 0.1

# Beyond the drain deadline, by which every thread has given up its caller.
JOIN_GRACE_S = 1.0


def serve(server: Server) -> None:
    """Serve until the stop is requested, then finish with the callers there are."""
    callers = Callers(server)
    while not server.stop.requested:
        if callers.wait_for_next():
            connection = next_caller(server)
            if connection:
                callers.start(connection)
    for connection in last_callers(server, callers.room()):
        callers.start(connection)
    callers.join()


class Callers:
    """The open connections, a thread each; used by the main thread only, but for `_run`."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._open: dict[BlockingConnection, None] = {}  # in the order of arrival
        self._lock = threading.Lock()
        self._finished, self._finishing = os.pipe()
        os.set_blocking(self._finishing, False)

    def room(self) -> int:
        """How many more callers the connection cap allows."""
        return self._server.max_connections - len(self._open)

    def wait_for_next(self) -> bool:
        """Wait until there is a caller and room for it; False if anything else woke us."""
        listener = self._server.listener.fileno()
        if self.room() > 0:
            return listener in self._wait({listener: select.POLLIN})
        lingering = self._oldest_lingering()
        if not lingering:
            self._wait({})
        elif listener in self._wait({listener: select.POLLIN}):
            lingering.let_go()
            self._wait({})
        return False

    def start(self, connection: BlockingConnection) -> None:
        """Give the connection a thread, as soon as there is one to be had."""
        with self._lock:
            self._open[connection] = None
        while time.monotonic() < self._server.stop.deadline:
            try:
                threading.Thread(target=self._run, args=[connection], daemon=True).start()
                return
            except RuntimeError as error:
                self._server.log.seldom("warning", "thread not started", error=str(error))
                self._wait({}, time.monotonic() + THREAD_RETRY_S)
        self._run(connection)  # past the deadline, so it is over at once

    def join(self) -> None:
        """Wait for all threads, which give up at the drain deadline."""
        until = self._server.stop.deadline + JOIN_GRACE_S
        while self._open and time.monotonic() < until:
            self._wait({}, until)

    def _run(self, connection: BlockingConnection) -> None:
        try:
            converse(self._server, connection)
        finally:
            with self._lock:
                del self._open[connection]
            with suppress(BlockingIOError):  # full of wake-ups already
                os.write(self._finishing, b".")

    def _oldest_lingering(self) -> BlockingConnection | None:
        with self._lock:
            return next((each for each in self._open if each.lingering), None)

    def _wait(self, events: dict[int, int], until: float = math.inf) -> set[int]:
        """Wait for events, for the end of a thread, or for the stop."""
        ready = self._server.stop.wait(events | {self._finished: select.POLLIN}, until)
        if self._finished in ready:
            os.read(self._finished, 4096)
        return ready

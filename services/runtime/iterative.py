"""One caller at a time: while one is served, the next waits in the kernel's backlog.

This is the first server of every textbook, and what it teaches is its fault: a caller who
says nothing holds up all others.
"""

import select

from runtime.blocking import converse, last_callers, next_caller
from runtime.service import BlockingService, Server


def serve(server: Server[BlockingService]) -> None:
    """Serve until the stop is requested, then whoever is in the backlog by then."""
    while not server.stop.requested:
        if server.stop.wait({server.listener.fileno(): select.POLLIN}):
            with server.heartbeat:
                connection = next_caller(server)
            if connection:
                converse(server, connection)
    for connection in last_callers(server):
        converse(server, connection)

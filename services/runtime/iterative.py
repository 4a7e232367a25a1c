"""One connection at a time: while one is served, the next waits in the kernel's backlog.

This is the first server of every textbook. It teaches its own fault: a client that sends nothing
keeps all others waiting.
"""

import select

from runtime.blocking import accept_last, accept_next, serve_connection
from runtime.context import ServerContext
from runtime.service import BlockingService


def serve(context: ServerContext[BlockingService]) -> None:
    """Serve until the drain begins, then serve the connections in the backlog."""
    while not context.shutdown.draining:
        if context.shutdown.wait({context.listener.fileno(): select.POLLIN}):
            with context.heartbeat:
                connection = accept_next(context)
            if connection:
                serve_connection(context, connection)
    for connection in accept_last(context):
        serve_connection(context, connection)

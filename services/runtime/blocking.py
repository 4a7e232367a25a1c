"""What the iterative and the threaded model do with a connection: accept, serve, close."""

import time

from runtime.blocking_connection import BlockingConnection, Closed
from runtime.connection import Accepted, CloseReason
from runtime.context import ServerContext
from runtime.service import BlockingService
from runtime.tcp import NOT_NOW, NOT_NOW_PAUSE_S, accept, accept_queued


def accept_next(context: ServerContext[BlockingService]) -> BlockingConnection | None:
    """Accept one connection; None if the queue is empty, or after a pause if means are lacking."""
    try:
        accepted = accept(context.listener)
    except OSError as error:
        if error.errno not in NOT_NOW:
            raise
        context.accept_failed(error)
        context.shutdown.wait({}, time.monotonic() + NOT_NOW_PAUSE_S)
        return None
    return accepted and _connection(context, accepted)


def accept_last(context: ServerContext[BlockingService]) -> list[BlockingConnection]:
    """Accept the connections in the queue, and close the listener."""
    with context.listener as listener:
        return [_connection(context, accepted) for accepted in accept_queued(listener)]


def serve_connection(
    context: ServerContext[BlockingService], connection: BlockingConnection
) -> None:
    """Serve one connection from its first byte to its log line. Raises nothing."""
    try:
        context.service.handle(connection)
        reason = CloseReason.DONE
    except Closed as closed:
        reason = closed.reason
    except (OSError, MemoryError) as error:
        reason = CloseReason.of(error)
    context.close(connection, reason)


def _connection(context: ServerContext[BlockingService], accepted: Accepted) -> BlockingConnection:
    service = context.service
    return BlockingConnection(
        accepted, context.shutdown, context.counters, service.idle_timeout, service.stall_timeout
    )

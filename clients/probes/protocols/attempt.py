"""One attempt of either protocol, over TCP or UDP."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from probes.core.outcome import Failure, Outcome
from probes.core.result import Protocol, Result, Transport
from probes.core.target import ProbeOptions
from probes.net.sockets import Context
from probes.net.tcp import open_connection
from probes.net.udp import open_association
from probes.protocols import daytime, echo
from probes.protocols.repeat import paced, shortest_attempt_s, until_met


@dataclass(frozen=True)
class AttemptOptions(ProbeOptions):
    """What all attempts of a run have in common; `size_bytes` is what echo sends."""

    protocol: Protocol
    transport: Transport
    size_bytes: int


def attempt(options: AttemptOptions, at_most_s: float = math.inf) -> Result:
    """Make one attempt, with a socket and a deadline of its own."""
    context = Context.begin(options, options.transport, at_most_s)
    try:
        result = context.result(Outcome.OK, _exchange(options, context))
    except Failure as failure:
        return context.result(failure.outcome, failure.reason)
    return daytime.interpret(result) if options.protocol is Protocol.DAYTIME else result


def attempts(
    options: AttemptOptions, count: int, interval_s: float, wait_s: float | None
) -> Iterator[Result]:
    """Yield the result of each attempt. If `wait_s` expires, yield only the last failure."""
    shortest_s = shortest_attempt_s(options.expected, options.timeout_s)
    first = until_met(partial(attempt, options), lambda tried: tried.is_ok, wait_s, shortest_s)
    due = time.monotonic() - first.elapsed + interval_s
    yield first
    if count > 1 and (first.is_ok or not wait_s):
        for _ in paced(count - 1, interval_s, due):
            yield attempt(options)


def _exchange(options: AttemptOptions, context: Context) -> str:
    match options.protocol, options.transport:
        case Protocol.DAYTIME, Transport.TCP:
            with open_connection(context) as connection:
                return daytime.exchange(connection)
        case Protocol.DAYTIME, _:
            with open_association(context) as association:
                return daytime.exchange_datagrams(association)
        case _, Transport.TCP:
            with open_connection(context) as connection:
                return echo.exchange(connection, options.size_bytes)
        case _:
            with open_association(context) as association:
                return echo.exchange_datagrams(association, options.size_bytes)

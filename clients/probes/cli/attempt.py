"""One try of either protocol, over TCP or UDP: its options, and its result."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from probes.cli.options import Parser, add_common_options, add_expectation, whole_number
from probes.core.outcome import Failure, Outcome
from probes.core.result import Result, Trace, Transport
from probes.net.deadline import Deadline
from probes.net.sockets import Context
from probes.net.tcp import Connection, open_connection
from probes.net.udp import Association, open_association
from probes.protocols import daytime, echo

DEFAULT_SIZE_BYTES = 512
# Least and most. No bytes are nothing over TCP, but an empty datagram over UDP, where IPv4 leaves
# 65507 of 65535 bytes for the data.
SIZES_BYTES = {Transport.TCP: (1, 64 * 1024 * 1024), Transport.UDP: (0, 65507)}

# What a try does over TCP, and what over UDP.
ABOUT = {
    "daytime": (
        "read the time until the server closes, and write nothing",
        "send CR LF as a datagram and read one (docker-proxy would drop an empty one)",
    ),
    "echo": (
        "send random bytes while reading, half-close, and compare every byte",
        "send one datagram and compare the one that comes back",
    ),
}


def add_protocols(
    commands: Any, run: Callable[[argparse.Namespace], int], epilog: str, lead: str = ""
) -> Iterator[Parser]:
    """Add a command for each protocol, with the options of a try, and yield its parser.

    It is described by what a try does, and before that by the `lead`.
    """
    for name, (about, about_udp) in ABOUT.items():
        description = f"{lead}{about.capitalize()}."
        parser: Parser = commands.add_parser(
            name, help=about, description=description, epilog=epilog
        )
        parser.set_defaults(run=run, protocol=name, transport=Transport.TCP)
        add_common_options(parser)
        add_expectation(parser)
        parser.add_argument(
            "--udp", dest="transport", action="store_const", const=Transport.UDP, help=about_udp
        )
        if name == "echo":
            _add_size(parser)
        yield parser


def _add_size(parser: Parser) -> None:
    bounds = ", ".join(
        f"{least} to {most} over {t.name}" for t, (least, most) in SIZES_BYTES.items()
    )
    parser.add_argument(
        "--size",
        metavar="N",
        default=str(DEFAULT_SIZE_BYTES),
        help=f"bytes to send, {bounds} (default: %(default)s)",
    )
    parser.set_defaults(check=partial(_check_size, parser))


def _check_size(parser: Parser, options: argparse.Namespace) -> None:
    # Only when all options are known is it known which bounds apply.
    try:
        options.size = whole_number(*SIZES_BYTES[options.transport])(options.size)
    except argparse.ArgumentTypeError as error:
        parser.error(f"argument --size: {error} over {options.transport.name}")


def attempt(options: argparse.Namespace, at_most_s: float = math.inf) -> Result:
    """Make one try, on a socket and a deadline of its own."""
    trace = Trace(options.transport, options.expect)
    deadline = Deadline(min(options.timeout, at_most_s))
    context = Context(options.target, options.family, deadline, trace)
    try:
        if options.transport is Transport.UDP:
            with open_association(context) as association:
                detail = exchange_datagrams(options, association)
        else:
            with open_connection(context) as connection:
                detail = exchange(options, connection)
    except Failure as failure:
        return trace.result(options.target, failure.outcome, failure.reason)
    result = trace.result(options.target, Outcome.OK, detail)
    return daytime.interpret(result) if options.protocol == "daytime" else result


def exchange(options: argparse.Namespace, connection: Connection) -> str:
    """Hold the conversation that was asked for over TCP; returns the answer."""
    if options.protocol == "echo":
        return echo.exchange(connection, options.size)
    return daytime.exchange(connection)


def exchange_datagrams(options: argparse.Namespace, association: Association) -> str:
    """Ask what was asked for over UDP; returns the answer."""
    if options.protocol == "echo":
        return echo.exchange_datagrams(association, options.size)
    return daytime.exchange_datagrams(association)

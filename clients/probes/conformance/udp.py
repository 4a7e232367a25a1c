"""What every UDP service that answers anybody owes to all others, as checks that a client can make.

A check of S1 sends from a port at which services listen. No loop can come of it: the port is bound
here and by nobody else, and what comes to it is not answered.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from functools import partial
from typing import Any, NamedTuple

from probes.conformance.check import QUIET_S, Check, Skip
from probes.core.outcome import Failure, Outcome
from probes.core.result import Phase, Transport
from probes.core.target import format_address
from probes.net.resolver import lookup
from probes.net.sockets import RECEIVE_BYTES, Address, Context, os_errors_as_failures, refuse_self
from probes.net.udp import Association, open_association, receive_errors

# echo, daytime and chargen, all of which answer any datagram.
SERVICE_PORTS = (7, 13, 19)

# Enough to take what has come already.
AT_ONCE_S = 0.01


class Answers(NamedTuple):
    """A datagram that was sent, and what came for it: one datagram, or two at most."""

    sent: bytes
    received: tuple[bytes, ...]


class Origins(NamedTuple):
    """Host and port that were asked, and those that answered, two at most."""

    asked: tuple[str, int]
    answered: tuple[tuple[str, int], ...]


class FromServices(NamedTuple):
    """The source ports of datagrams, and those of them that were answered."""

    tried: tuple[int, ...]
    answered: tuple[int, ...]


def ask(datagram: bytes, context: Context) -> Answers:
    """Send a datagram, receive one, and see whether another comes."""
    with open_association(context) as association:
        return Answers(datagram, (ask_again(association, datagram), *receive_late(association)))


def ask_again(association: Association, datagram: bytes) -> bytes:
    """The answer to a datagram. It is sent anew when a router tells that it was too large: its
    sender has learnt from that how to cut it (RFC 1191). Raises Failure, and Skip when the system
    does not send it.
    """
    try:
        return association.ask(datagram)
    except Failure as failure:
        if not is_too_large(failure):
            raise
    try:
        return association.ask(datagram)
    except Failure as failure:
        if not is_too_large(failure):
            raise
        raise Skip(f"{len(datagram)} bytes cannot be sent: {failure.reason}") from failure


def is_too_large(failure: BaseException | None) -> bool:
    """Whether the system refused to send, for the length of what was to be sent."""
    while failure and not isinstance(failure, OSError):
        failure = failure.__cause__
    return isinstance(failure, OSError) and failure.errno == errno.EMSGSIZE


def receive_late(association: Association, seconds: float = QUIET_S) -> tuple[bytes, ...]:
    """One more datagram, if it comes that soon."""
    try:
        with association.within(seconds):
            return (association.receive(),)
    except Failure:
        return ()


def ask_openly(datagram: bytes, context: Context) -> Origins:
    """Send a datagram from a socket that is open to every sender, and see which answer."""
    address = best_address(context)
    try:
        with os_errors_as_failures(), socket.socket(address.family, socket.SOCK_DGRAM) as asking:
            receive_errors(asking)
            asking.settimeout(context.deadline.remaining())
            asking.sendto(datagram, address.sockaddr)
            sources = [asking.recvfrom(RECEIVE_BYTES)[1]]
            asking.settimeout(QUIET_S)
            with suppress(OSError):
                sources.append(asking.recvfrom(RECEIVE_BYTES)[1])
    except Failure as failure:
        raise failure.after("no datagram came back") from failure
    return Origins(true_address(address), tuple(source[:2] for source in sources))


def true_address(address: Address) -> tuple[str, int]:
    """Where the system sends what goes to an address: 0.0.0.0 and :: are loopback to Linux."""
    with os_errors_as_failures(), socket.socket(address.family, socket.SOCK_DGRAM) as asking:
        asking.connect(address.sockaddr)
        host, port, *_ = asking.getpeername()
    return host, port


def best_address(context: Context) -> Address:
    """The address that `open_association` would take, noted in the trace; raises Failure."""
    address = lookup(context.target, context.family, socket.SOCK_DGRAM, context.deadline)[0]
    context.trace.address = str(address)
    context.trace.enter(Phase.ANSWER)
    return address


def ask_as_services(ports: Sequence[int], datagram: bytes, context: Context) -> FromServices:
    """Send a datagram from each of `ports` that is free, until one is answered.

    Silence alone would prove nothing, so the same from an honest port must be answered after them,
    and what comes late for them is still received. One at a time, since some servers serve one
    client at a time.
    """
    address = best_address(context)
    services: dict[int, Association] = {}
    skips = []
    with ExitStack() as stack:
        for port in ports:
            try:
                services[port] = stack.enter_context(as_service(port, address, context))
            except Skip as skip:
                skips.append(skip)
        if not services:
            raise skips[0]
        for port, service in services.items():
            service.send(datagram)
            if receive_late(service):
                return FromServices(tuple(services), (port,))
        ask(datagram, context)
        answered = [port for port, each in services.items() if receive_late(each, AT_ONCE_S)]
    return FromServices(tuple(services), tuple(answered))


def ask_as_twin(datagram: bytes, context: Context) -> FromServices:
    """Send a datagram from the port number that is asked, as the same service elsewhere would."""
    return ask_as_services([context.target.port], datagram, context)


def as_service(port: int, address: Address, context: Context) -> Association:
    """What a service on a port would have to an address; raises Skip and Failure."""
    bound = bound_socket(port, address)
    try:
        with os_errors_as_failures():
            bound.connect(address.sockaddr)
            refuse_self(bound)
    except BaseException:
        bound.close()
        raise
    return Association(bound, context.deadline)


def bound_socket(port: int, address: Address) -> socket.socket:
    """A UDP socket on a port; raises Skip."""
    # Where the service runs on this host, all of 127.0.0.0/8 is ours, and it may hold 127.0.0.1.
    hosts = ["", "127.0.0.2"] if true_address(address)[0].startswith("127.") else [""]
    reasons = []
    for host in hosts:
        with os_errors_as_failures():
            bound = socket.socket(address.family, socket.SOCK_DGRAM)
        try:
            bound.bind((host, port))
        except OSError as error:
            bound.close()
            reasons.append(f"port {port} cannot be bound: {error.strerror}")
        else:
            return bound
    raise Skip(reasons[0])


def expect_asked_address(origins: Origins) -> str:
    """All that came is from the very address that was asked."""
    for each in origins.answered:
        if each != origins.asked:
            asked, answered = format_address(*origins.asked), format_address(*each)
            raise Failure(Outcome.WRONG, f"{asked} was asked, and {answered} answered")
    return ""


def expect_no_answer(seen: FromServices) -> str:
    """No answer went to a service."""
    if seen.answered:
        reason = f"what came from {ports_text(seen.answered)} was answered"
        raise Failure(Outcome.WRONG, reason)
    return f"asked from {ports_text(seen.tried)}"


def ports_text(ports: Sequence[int]) -> str:
    """Some ports in words."""
    return f"port{'' if len(ports) == 1 else 's'} {', '.join(map(str, ports))}"


# fmt: off
def common_checks(datagram: bytes) -> tuple[Check[Any], ...]:
    """The checks, made with a datagram that the service must answer."""
    udp = Transport.UDP
    return (
        Check("E6", "origin", udp, "the answer comes from the address that was asked",
              "RFC 1122 section 4.1.3.5", partial(ask_openly, datagram), expect_asked_address),
        Check("S1", "service-port", udp, "no answer to the ports of other services that answer",
              "CERT CA-1996-01", partial(ask_as_services, SERVICE_PORTS, datagram),
              expect_no_answer),
        Check("S1", "own-port", udp, "no answer to the port number that is asked",
              "CVE-2024-2169", partial(ask_as_twin, datagram), expect_no_answer),
    )

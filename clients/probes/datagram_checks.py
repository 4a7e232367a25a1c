"""What every UDP service that answers anybody owes to all others, as checks that a client can make.

A check of S1 sends from a port at which services listen. No loop can come of it: the port is bound
here and by nobody else, and what comes to it is not answered.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence
from functools import partial
from itertools import product
from typing import Any, NamedTuple

from probes.address import format_address
from probes.association import Association, open_association, receive_errors
from probes.check import QUIET_S, Check, Skip, Way
from probes.network import RECEIVE_BYTES, Address, lookup, os_errors_as_failures, refuse_self
from probes.outcome import Failure, Outcome
from probes.result import Phase, Transport

# echo, daytime and chargen, all of which answer any datagram.
SERVICE_PORTS = (7, 13, 19)


class Answers(NamedTuple):
    """A datagram that was sent, and what came for it: one datagram, or two at most."""

    sent: bytes
    received: tuple[bytes, ...]


class Origin(NamedTuple):
    """Host and port that were asked, and those that the answer came from."""

    asked: tuple[str, int]
    answered: tuple[str, int]


class FromService(NamedTuple):
    """The source port of a datagram, and whether it was answered."""

    port: int
    is_answered: bool


def ask(datagram: bytes, way: Way) -> Answers:
    """Send a datagram, receive one, and see whether another comes."""
    with open_association(*way) as association:
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


def receive_late(association: Association) -> tuple[bytes, ...]:
    """One more datagram, if it comes soon."""
    try:
        with association.within(QUIET_S):
            return (association.receive(),)
    except Failure:
        return ()


def ask_openly(datagram: bytes, way: Way) -> Origin:
    """Send a datagram from a socket that hears everybody, and see who answers."""
    address = best_address(way)
    try:
        with os_errors_as_failures(), socket.socket(address.family, socket.SOCK_DGRAM) as asking:
            receive_errors(asking)
            asking.settimeout(way.deadline.remaining())
            asking.sendto(datagram, address.sockaddr)
            _, source = asking.recvfrom(RECEIVE_BYTES)
    except Failure as failure:
        raise failure.after("no datagram came back") from failure
    return Origin(true_address(address), source[:2])


def true_address(address: Address) -> tuple[str, int]:
    """Where the system sends what goes to an address: 0.0.0.0 and :: are loopback to Linux."""
    with os_errors_as_failures(), socket.socket(address.family, socket.SOCK_DGRAM) as asking:
        asking.connect(address.sockaddr)
        host, port, *_ = asking.getpeername()
    return host, port


def best_address(way: Way) -> Address:
    """The address that `open_association` would take, noted in the trace; raises Failure."""
    address = lookup(way.target, way.family, socket.SOCK_DGRAM, way.deadline)[0]
    way.trace.address = str(address)
    way.trace.enter(Phase.ANSWER)
    return address


def ask_as_service(ports: Sequence[int], datagram: bytes, way: Way) -> FromService:
    """Send a datagram from the first of `ports` that is free, and see whether it is answered.

    Silence alone would prove nothing, so the same from an honest port must be answered after it.
    """
    address = best_address(way)
    with bound_socket(ports, address) as bound:
        with os_errors_as_failures():
            bound.connect(address.sockaddr)
            refuse_self(bound)
        service = Association(bound, way.deadline)
        service.send(datagram)
        answers = receive_late(service)
        if not answers:
            ask(datagram, way)
            answers = receive_late(service)
        return FromService(bound.getsockname()[1], bool(answers))


def ask_as_twin(datagram: bytes, way: Way) -> FromService:
    """Send a datagram from the port number that is asked, as the same service elsewhere would."""
    return ask_as_service([way.target.port], datagram, way)


def bound_socket(ports: Sequence[int], address: Address) -> socket.socket:
    """A UDP socket on the first of `ports` that can be had; raises Skip."""
    # Where the service runs on this host, all of 127.0.0.0/8 is ours, and it may hold 127.0.0.1.
    hosts = ["", "127.0.0.2"] if true_address(address)[0].startswith("127.") else [""]
    reasons = []
    for place in product(hosts, ports):
        with os_errors_as_failures():
            bound = socket.socket(address.family, socket.SOCK_DGRAM)
        try:
            bound.bind(place)
        except OSError as error:
            bound.close()
            reasons.append(f"port {place[1]} cannot be bound: {error.strerror}")
        else:
            return bound
    raise Skip(reasons[0])


def is_from_asked(origin: Origin) -> str:
    """The answer came from the very address that was asked."""
    if origin.answered == origin.asked:
        return ""
    asked, answered = (format_address(*each) for each in origin)
    raise Failure(Outcome.WRONG, f"{asked} was asked, and {answered} answered")


def is_left_alone(seen: FromService) -> str:
    """No answer went to a service."""
    if seen.is_answered:
        raise Failure(Outcome.WRONG, f"a datagram from port {seen.port} was answered")
    return f"port {seen.port} was tried"


# fmt: off
def common_checks(datagram: bytes) -> tuple[Check[Any], ...]:
    """The checks, made with a datagram that the service must answer."""
    udp = Transport.UDP
    return (
        Check("E6", "origin", udp, "the answer comes from the address that was asked",
              "RFC 1122 section 4.1.3.5", partial(ask_openly, datagram), is_from_asked),
        Check("S1", "service-port", udp, "no answer to the port of another service that answers",
              "CERT CA-1996-01", partial(ask_as_service, SERVICE_PORTS, datagram), is_left_alone),
        Check("S1", "own-port", udp, "no answer to the port number that is asked",
              "CVE-2024-2169", partial(ask_as_twin, datagram), is_left_alone),
    )

"""One HEAD request and the reply to it, after "GetHeadInfo" of the textbook chapter."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from probes.core.outcome import Failure, Outcome
from probes.core.result import Result, Transport
from probes.core.target import ProbeOptions
from probes.net.sockets import Context
from probes.net.tcp import Connection, open_connection
from probes.protocols.http_head import MAX_HEAD_BYTES, Head, HeadReader, NotHTTP

# How long to wait for the end of a reply that is whole already. Reading to EOF is sound in
# HTTP/1.0, yet a server that keeps the connection open has done nothing wrong.
CLOSE_WAIT_S = 1.0


@dataclass(frozen=True)
class Reply:
    """An answer that can be shown: `head` for OK; for HTTP09 `body`, the bytes that came."""

    outcome: Outcome
    detail: str
    head: Head | None = None
    body: bytes = b""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class HeadOptions(ProbeOptions):
    """What is asked for, and in the name of which host."""

    path: str
    host: str | None


def request_head(options: HeadOptions, at_most_s: float = math.inf) -> tuple[Result, Reply]:
    """Ask once, on a connection and a deadline of its own."""
    context = Context.begin(options, Transport.TCP, at_most_s)
    try:
        with open_connection(context) as connection:
            reply = exchange(connection, build_request(options.path, options.host))
    except Failure as failure:
        reply = Reply(failure.outcome, failure.reason)
    return context.result(reply.outcome, reply.detail), reply


def build_request(path: str = "/", host: str | None = None) -> bytes:
    """The request in bytes; both parts must be visible ASCII already.

    HTTP/1.0 knows no Host field, but servers that serve several names need it.
    """
    host_field = "" if host is None else f"Host: {host}\r\n"
    return f"HEAD {path} HTTP/1.0\r\n{host_field}\r\n".encode("ascii")


def exchange(connection: Connection, request: bytes) -> Reply:
    """Send `request` and read the reply; raises Failure when there is none to show.

    Our side stays open: some servers and proxies drop a client that half-closes.
    """
    connection.send_all(request)
    reader = HeadReader()
    try:
        head = _read_head(connection, reader)
    except NotHTTP as reply:
        return _read_simple_response(connection, reply.received, request)
    except Failure as failure:
        raise failure.after(f"{reader.received} bytes received") from failure
    return _finish(connection, head, reader.trailing)


def _read_head(connection: Connection, reader: HeadReader) -> Head:
    while data := connection.receive():
        if head := reader.feed(data):
            return head
    raise reader.incomplete()


def _finish(connection: Connection, head: Head, trailing: bytes) -> Reply:
    trailing, ending = _read_on(connection, trailing)
    warnings = []
    if head.interim:
        warnings.append(f"{head.interim} interim (1xx) responses came before the head")
    if trailing:
        warnings.append(
            f"{len(trailing)} bytes came after the head of a reply that has no body"
            " (RFC 9110 section 9.3.2)"
        )
    detail = f"HTTP/{head.version} {head.status} {head.reason}".rstrip()
    return Reply(Outcome.OK, detail, head=head, warnings=(*warnings, *ending))


def _read_simple_response(connection: Connection, received: bytes, request: bytes) -> Reply:
    # What has no status line is an HTTP/0.9 reply, which is all body: RFC 1945 section 6. An echo
    # server sends no more than we did and waits for us, so there is no point in waiting for it.
    body, ending = _read_on(connection, received, enough=lambda body: body == request)
    detail = f"no HTTP status line in {len(body)} bytes"
    if body == request:
        detail = "the peer sent our own request back: an echo server"
    return Reply(Outcome.HTTP09, detail, body=body, warnings=ending)


def _read_on(
    connection: Connection, data: bytes, enough: Callable[[bytes], bool] = lambda _: False
) -> tuple[bytes, tuple[str, ...]]:
    """Read until EOF, but not for long and not much; returns all data, and a warning if cut short.

    The outcome is known by now, so nothing that happens here can change it.
    """
    connection.deadline.shorten(CLOSE_WAIT_S)
    try:
        while not enough(data):
            if len(data) >= MAX_HEAD_BYTES:
                return data, (f"stopped reading at {len(data)} bytes",)
            more = connection.receive(MAX_HEAD_BYTES - len(data))
            if not more:
                break
            data += more
    except Failure as failure:
        if failure.outcome is not Outcome.TIMEOUT:
            return data, (f"the connection did not end well: {failure.reason}",)
        return data, ("the peer kept the connection open",)
    return data, ()

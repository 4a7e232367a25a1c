"""The pages of the admin port: HTTP for an orchestrator's probes and for Prometheus."""

import re
from collections.abc import Callable
from socket import socket
from typing import NamedTuple

from runtime.metrics import CONTENT_TYPE

MAX_HEAD_BYTES = 4096

REQUEST_LINE = re.compile(rb"([A-Z]+) ([!-~]+) HTTP/1\.[0-9]\r?\n")
END_OF_HEAD = re.compile(rb"\n\r?\n")
TEXT = "text/plain; charset=utf-8"


class Response(NamedTuple):
    """A status line's end, a body, and the body's type."""

    status: str
    body: str
    content_type: str = TEXT


class Admin:
    """The answers to requests, of which a connection carries one (RFC 9112)."""

    def __init__(
        self, is_alive: Callable[[], bool], is_ready: Callable[[], bool], metrics: Callable[[], str]
    ) -> None:
        self._pages: dict[str, Callable[[], Response]] = {
            "/": lambda: Response("200 OK", "\n".join(self._pages) + "\n"),
            "/livez": lambda: _state(is_alive()),
            "/readyz": lambda: _state(is_alive() and is_ready()),
            "/metrics": lambda: Response("200 OK", metrics(), CONTENT_TYPE),
        }

    def answer(self, head: bytes) -> bytes:
        """The response to a request head, in bytes."""
        request = REQUEST_LINE.match(head)
        if not END_OF_HEAD.search(head):
            response = Response("431 Request Header Fields Too Large", "head too large\n")
        elif not request:
            response = Response("400 Bad Request", "bad request\n")
        else:
            response = self._respond(*request.groups())
        return _encoded(response, with_body=not head.startswith(b"HEAD "))

    def _respond(self, method: bytes, target: bytes) -> Response:
        page = self._pages.get(target.decode("ascii").partition("?")[0])
        if not page:
            return Response("404 Not Found", "not found\n")
        if method not in (b"GET", b"HEAD"):
            return Response("405 Method Not Allowed", "method not allowed\n")
        return page()


def is_whole(head: bytes) -> bool:
    """Whether nothing more needs to arrive: the head has ended, or is larger than it may be."""
    return END_OF_HEAD.search(head) is not None or len(head) >= MAX_HEAD_BYTES


def is_ready(connected: socket) -> bool:
    """Ask the admin port over a connected socket whether the server is ready for connections."""
    connected.sendall(b"GET /readyz HTTP/1.0\r\n\r\n")
    with connected.makefile("rb") as stream:
        return stream.readline(MAX_HEAD_BYTES).split()[1:2] == [b"200"]


def _state(is_good: bool) -> Response:
    return Response("200 OK", "ok\n") if is_good else Response("503 Service Unavailable", "no\n")


def _encoded(response: Response, *, with_body: bool) -> bytes:
    fields = {
        "Content-Type": response.content_type,
        "Content-Length": len(response.body),  # of HEAD too (RFC 9110 section 9.3.2)
        "Connection": "close",
    }
    if response.status.startswith("405"):
        fields["Allow"] = "GET, HEAD"
    lines = [f"HTTP/1.1 {response.status}", *(f"{name}: {fields[name]}" for name in fields)]
    head = "\r\n".join(lines) + "\r\n\r\n"
    return (head + (response.body if with_body else "")).encode("ascii")

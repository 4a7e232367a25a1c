"""Servers that break a duty each, and the checks of `probe conform` that must notice.

Each is right in all else, so that what it fails says what is wrong with it. A check is named as in
`--json`: duty and check.
"""

from __future__ import annotations

import math
import select
import socket
import threading
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, NamedTuple

from peer import PATIENCE_S, Peer, Step, echo, finish_sending, receive_all, reset, send

LINE = b"Sun Aug 29 17:25:19 UTC 2010\r\n"

# What a server must not answer over UDP, beside its own port.
FIRST_HONEST_PORT = 1024

# Pieces of what a server owes, and more than is ever owed to a caller who reads.
PIECE, MUCH = 1 << 16, 1 << 21

Reply = Callable[[socket.socket, bytes, Any], object]


class DatagramServer:
    """A UDP server on 127.0.0.1 that leaves other services alone, unless it answers `anybody`."""

    def __init__(self, reply: Reply, *, anybody: bool = False) -> None:
        self._reply = reply
        self._anybody = anybody
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._over = False
        self._thread = threading.Thread(target=self._serve)
        self.port = int(self._socket.getsockname()[1])
        self.address = f"127.0.0.1:{self.port}"

    def __enter__(self) -> DatagramServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over = True
        self._socket.sendto(b"", self._socket.getsockname())  # wakes recvfrom
        self._thread.join(PATIENCE_S)
        self._socket.close()

    def _serve(self) -> None:
        while True:
            datagram, caller = self._socket.recvfrom(65536)
            if self._over:
                return
            if self._anybody or caller[1] not in (*range(FIRST_HONEST_PORT), self.port):
                self._reply(self._socket, datagram, caller)


def take_urgent(caller: socket.socket) -> None:
    """Have urgent bytes come with all others."""
    caller.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)


def by_line(caller: socket.socket) -> None:
    """Send back what comes, a line at a time."""
    with caller.makefile("rb") as lines:
        for line in lines:
            caller.sendall(line)


def leave_when_idle(caller: socket.socket) -> None:
    """Send back what comes, until nothing has come for half a second after an answer."""
    data = caller.recv(65536)
    while data:
        caller.sendall(data)
        data = caller.recv(65536) if select.select([caller], [], [], 0.5)[0] else b""


def lose_tail(caller: socket.socket) -> None:
    """Send back what comes, but when nothing more does, or later; at the end lose what is left."""
    held = b""
    while True:
        if select.select([caller], [], [], 0.05)[0]:
            if not (data := caller.recv(65536)):
                return
            caller.sendall(held)
            held = data
        else:
            caller.sendall(held)
            held = b""


def hoard(caller: socket.socket, most: float = math.inf) -> None:
    """Send back what comes, and keep what the caller does not take. Where there is a limit to that,
    take two pieces of it for one another.
    """
    caller.setblocking(False)
    held, is_open = bytearray(), True
    while is_open or held:
        wanted = [caller] if held else []
        is_wanting = is_open and len(held) < most
        readable, writable, _ = select.select([caller] * is_wanting, wanted, [], PATIENCE_S)
        if readable:
            data = caller.recv(1 << 20)
            held += data
            is_open = bool(data)
            if len(held) >= most:
                held[: 2 * PIECE] = held[PIECE : 2 * PIECE] + held[:PIECE]
        if writable:
            del held[: caller.send(held[:PIECE])]


def wait_for_silence(caller: socket.socket) -> None:
    """Send back what comes, but only when nothing more has come for a while, or there is much."""
    held, is_open = bytearray(), True
    while is_open:
        if len(held) < MUCH and select.select([caller], [], [], 0.2)[0]:
            data = caller.recv(65536)
            held += data
            is_open = bool(data)
        else:
            caller.sendall(held)
            held.clear()
    caller.sendall(held)


def return_input(caller: socket.socket) -> None:
    """Send the time, and after it some of what has come."""
    caller.sendall(LINE)
    if select.select([caller], [], [], 0.2)[0]:
        caller.sendall(caller.recv(512))


def answer(*datagrams: bytes) -> Reply:
    """Answer with these datagrams, whatever comes."""

    def reply(asked: socket.socket, _: bytes, caller: Any) -> None:
        for datagram in datagrams:
            asked.sendto(datagram, caller)

    return reply


def return_changed(change: Callable[[bytes], Iterable[bytes]]) -> Reply:
    """Answer with the datagrams that come of the one that came."""

    def reply(asked: socket.socket, datagram: bytes, caller: Any) -> None:
        answer(*change(datagram))(asked, datagram, caller)

    return reply


def return_aside_too(asked: socket.socket, datagram: bytes, caller: Any) -> None:
    """Send the datagram back, and once more from another port."""
    asked.sendto(datagram, caller)
    return_aside(asked, datagram, caller)


def return_aside(_: socket.socket, datagram: bytes, caller: Any) -> None:
    """Send the datagram back from another port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as aside:
        aside.bind(("127.0.0.1", 0))
        aside.sendto(datagram, caller)


class Broken(NamedTuple):
    """A server: what it is to be, what is wrong with it, how to start it, and what must FAIL."""

    protocol: str
    transport: str
    flaw: str
    start: Callable[[], AbstractContextManager[Peer | DatagramServer]]
    fails: frozenset[str]


def checks(text: str) -> frozenset[str]:
    """Checks as `E1 a b E2 c` names them: duties in capitals, each before its checks."""
    names, duty = set(), ""
    for word in text.split():
        if word[0].isupper():
            duty = word
        else:
            names.add(f"{duty} {word}")
    return frozenset(names)


def echo_server(flaw: str, fails: str, *script: Step, urgent: Step = take_urgent) -> Broken:
    """A broken echo service over TCP."""
    return Broken("echo", "tcp", flaw, partial(Peer, urgent, *script), checks(fails))


def daytime_server(flaw: str, fails: str, *script: Step) -> Broken:
    """A broken daytime service over TCP."""
    return Broken("daytime", "tcp", flaw, partial(Peer, *script), checks(fails))


def datagrams(protocol: str, flaw: str, fails: str, reply: Reply, anybody: bool = False) -> Broken:
    """A broken service over UDP."""
    start = partial(DatagramServer, reply, anybody=anybody)
    return Broken(protocol, "udp", flaw, start, checks(fails))


def line_of(line: bytes) -> tuple[Step, ...]:
    """What a daytime service does, with this for a line."""
    return send(line), finish_sending(), receive_all()


RETURNING = "E1 all-bytes unterminated urgent stream E2 pause E3 half-close E4 back-pressure"
SIZES = "datagram-0 datagram-1 datagram-512 datagram-1472 datagram-8192 datagram-65507"

BROKEN = (
    echo_server("prefix", RETURNING, echo(lambda data: b"echo: " + data)),
    echo_server("banner", f"E1 banner {RETURNING}", send(b"220 ready\r\n"), echo()),
    echo_server("waits for line ends", "E1 unterminated", by_line),
    echo_server("loses urgent bytes", "E1 urgent", echo(), urgent=lambda _: None),
    echo_server(
        *("cuts at 512 bytes", "E1 stream E3 half-close E4 back-pressure"),
        echo(lambda data: data[:512]),
    ),
    echo_server("leaves when idle", "E2 pause", leave_when_idle),
    echo_server("loses the tail", "E3 half-close", lose_tail),
    echo_server("RST for FIN", "E3 half-close", echo(), reset()),
    echo_server("takes in without bound", "E4 back-pressure", hoard),
    echo_server("mixes up what it owes", "E4 back-pressure", partial(hoard, most=MUCH)),
    echo_server("waits for silence", "E1 stream", wait_for_silence),
    datagrams(
        *("echo", "cuts at 1,024 bytes", "E5 datagram-1472 datagram-8192 datagram-65507"),
        return_changed(lambda data: [data[:1024]]),
    ),
    datagrams("echo", "answers twice", f"E5 {SIZES}", return_changed(lambda data: [data, data])),
    datagrams(
        *("echo", "answers from elsewhere", f"E5 {SIZES} E6 origin S1 service-port own-port"),
        return_aside,
    ),
    datagrams("echo", "answers from elsewhere, too", "E6 origin", return_aside_too),
    datagrams(
        *("echo", "answers services", "S1 service-port own-port"),
        return_changed(lambda data: [data]),
        anybody=True,
    ),
    daytime_server("no line end", "D4 line", *line_of(LINE.rstrip())),
    daytime_server("two lines", "D4 line", *line_of(LINE * 2)),
    daytime_server("not ASCII", "D4 line", *line_of("So 29. Aug, März\r\n".encode())),
    daytime_server("closes with input unread", "D2 early-input long-input late-input", send(LINE)),
    daytime_server(
        *("waits for input", "D1 unasked D2 late-input D4 line"),
        *(lambda caller: caller.recv(1), *line_of(LINE)),
    ),
    daytime_server(
        *("does not close", "D1 unasked D2 early-input long-input late-input"),
        *(send(LINE), receive_all()),
    ),
    daytime_server(
        *("returns input", "D2 early-input long-input"),
        *(return_input, finish_sending(), receive_all()),
    ),
    daytime_server(
        *("empty answer", "D1 unasked D2 early-input long-input late-input D4 line"),
        *(finish_sending(), receive_all()),
    ),
    datagrams("daytime", "answers twice", "D3 empty line-end all-bytes", answer(LINE, LINE)),
    datagrams("daytime", "two lines", "D4 datagram", answer(LINE * 2)),
    datagrams(
        *("daytime", "is an echo", "D3 empty line-end all-bytes D4 datagram"),
        return_changed(lambda data: [data]),
    ),
)

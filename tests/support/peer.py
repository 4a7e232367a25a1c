"""Peers on loopback, a scripted one for TCP and one for UDP, and addresses where nobody answers.

A script is a row of steps, played to every caller in turn; the connection is closed at its end.
A caller that leaves early only ends its own turn; one that breaks an expectation fails the test.
"""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

# Nothing here takes this long; it only keeps a broken test from hanging.
PATIENCE_S = 20.0

Step = Callable[[socket.socket], None]


def send(data: bytes) -> Step:
    """Send `data` at once."""
    return lambda caller: caller.sendall(data)


def repeat(data: bytes, pause_s: float = 0.0) -> Step:
    """Send `data` over and over until the caller leaves."""

    def step(caller: socket.socket) -> None:
        while True:
            caller.sendall(data)
            time.sleep(pause_s)

    return step


def expect(data: bytes) -> Step:
    """Receive exactly `data`."""

    def step(caller: socket.socket) -> None:
        received = b""
        while len(received) < len(data) and (more := caller.recv(len(data) - len(received))):
            received += more
        assert received == data

    return step


def expect_silence(seconds: float) -> Step:
    """Check that the caller neither sends nor closes for a while."""

    def step(caller: socket.socket) -> None:
        caller.settimeout(seconds)
        try:
            received = caller.recv(1024)
        except TimeoutError:
            caller.settimeout(PATIENCE_S)
        else:
            raise AssertionError(f"the caller was not silent: {received!r}")

    return step


def expect_end(after_bytes: int = 0) -> Step:
    """Receive until the caller closes or half-closes, and check how much it sent before."""

    def step(caller: socket.socket) -> None:
        received = 0
        while data := caller.recv(65536):
            received += len(data)
        assert received == after_bytes

    return step


def receive_all() -> Step:
    """Receive, and throw away, until the caller closes or half-closes."""

    def step(caller: socket.socket) -> None:
        while caller.recv(65536):
            pass

    return step


def echo(change: Callable[[bytes], bytes] = bytes) -> Step:
    """Send back what comes, changed, until the caller closes or half-closes."""

    def step(caller: socket.socket) -> None:
        while data := caller.recv(65536):
            caller.sendall(change(data))

    return step


def reset() -> Step:
    """Close the connection with RST."""

    def step(caller: socket.socket) -> None:
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        caller.close()

    return step


def wait_for(event: threading.Event) -> Step:
    """Neither read nor send nor close until the test says so."""

    def step(_: socket.socket) -> None:
        assert event.wait(PATIENCE_S)

    return step


def pause(seconds: float) -> Step:
    """Do nothing for a while, which is what the test is about."""
    return lambda _: time.sleep(seconds)


def finish_sending() -> Step:
    """Half-close: the caller sees EOF, and may still send."""
    return lambda caller: caller.shutdown(socket.SHUT_WR)


class Peer:
    """A server on `host` that plays the script while the `with` block runs."""

    def __init__(self, *script: Step, host: str = "127.0.0.1") -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._script = script
        self._listener = socket.create_server((host, 0), family=family)
        self._over = False
        self._problems: list[Exception] = []
        self._thread = threading.Thread(target=self._serve)
        self.sockaddr = self._listener.getsockname()
        self.port = int(self.sockaddr[1])
        self.address = f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"

    def __enter__(self) -> Peer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over = True
        socket.create_connection(self.sockaddr[:2]).close()  # wakes accept
        self._thread.join(PATIENCE_S)
        self._listener.close()
        if self._problems:
            raise self._problems[0]

    def _serve(self) -> None:
        while True:
            caller, _ = self._listener.accept()
            with caller:
                if self._over:
                    return
                self._play(caller)

    def _play(self, caller: socket.socket) -> None:
        caller.settimeout(PATIENCE_S)
        try:
            for step in self._script:
                step(caller)
        except (AssertionError, TimeoutError) as problem:
            self._problems.append(problem)
        except OSError:
            return  # the caller has gone, which is its right


class DatagramPeer:
    """A UDP server on `host` that replies to every datagram while the `with` block runs.

    It notes what it was `asked` and by which ports, and is silent where `reply` gives None.
    """

    def __init__(
        self,
        reply: Callable[[bytes], bytes | None],
        host: str = "127.0.0.1",
        *,
        aside: bool = False,
    ) -> None:
        self._reply = reply
        self._socket = self._replier = _datagram_socket(host)
        if aside:  # replies come from another port than the one that was asked
            self._replier = _datagram_socket(host)
        self._over = False
        self._thread = threading.Thread(target=self._serve)
        self.asked: list[bytes] = []
        self.ports: list[int] = []
        self.sockaddr = self._socket.getsockname()
        self.port = int(self.sockaddr[1])
        self.address = f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"

    def __enter__(self) -> DatagramPeer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over = True
        self._socket.sendto(b"", self.sockaddr)  # wakes recvfrom
        self._thread.join(PATIENCE_S)
        self._socket.close()
        self._replier.close()

    def _serve(self) -> None:
        while True:
            datagram, caller = self._socket.recvfrom(65536)
            if self._over:
                return
            self.asked.append(datagram)
            self.ports.append(caller[1])
            answer = self._reply(datagram)
            if answer is not None:
                self._replier.sendto(answer, caller)


def _datagram_socket(host: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_DGRAM)
    bound.bind((host, 0))
    return bound


@contextmanager
def refusing() -> Iterator[str]:
    """An address whose port is taken, so that nobody else gets it, but where nobody listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{bound.getsockname()[1]}"


@contextmanager
def refusing_datagrams() -> Iterator[str]:
    """The same for UDP: a socket that listens to nobody but itself."""
    with _datagram_socket("127.0.0.1") as bound:
        bound.connect(bound.getsockname())
        yield f"127.0.0.1:{bound.getsockname()[1]}"


@contextmanager
def black_hole() -> Iterator[str]:
    """An address that does not answer at all: the listener's queue is full, so SYNs are dropped."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield f"127.0.0.1:{listener.getsockname()[1]}"

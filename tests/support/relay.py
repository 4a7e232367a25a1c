"""A bad network between two peers: it delays, splits and cuts what it carries."""

import random
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from server_process import PATIENCE_S

# With no time to linger, close resets: the peer sees the cut at once.
RESET = struct.pack("ii", 1, 0)


class Relay:
    """Carries connections to a port of this machine, in random pieces with random pauses.

    After `cut_after` bytes in one direction both ends are reset.
    """

    def __init__(
        self, port: int, *, piece: int = 1500, pause_s: float = 0.0, cut_after: int | None = None
    ) -> None:
        self._there = ("127.0.0.1", port)
        self._piece = piece
        self._pause_s = pause_s
        self._cut_after = cut_after
        self._random = random.Random(0)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> "Relay":
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # which ends the accept
        self._listener.close()
        for thread in self._threads:
            thread.join(PATIENCE_S)
            assert not thread.is_alive()

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                here, _ = self._listener.accept()
                self._start(self._carry_both, here)

    def _carry_both(self, here: socket.socket) -> None:
        with here, socket.create_connection(self._there, PATIENCE_S) as there:
            both = (here, there)
            cut = threading.Event()
            back = threading.Thread(target=self._carry, args=[*reversed(both), cut])
            back.start()
            self._carry(*both, cut)
            back.join()

    def _carry(self, source: socket.socket, sink: socket.socket, cut: threading.Event) -> None:
        """Carry one direction to its end, which is passed on too, or to the cut."""
        carried = 0
        with suppress(OSError):  # a peer has reset its connection
            while data := source.recv(self._random.randint(1, self._piece)):
                time.sleep(self._random.random() * self._pause_s)
                sink.sendall(data)
                carried += len(data)
                if self._cut_after is not None and carried >= self._cut_after:
                    cut.set()
                    for each in (source, sink):
                        each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                        each.shutdown(socket.SHUT_RD)  # which wakes the other direction
            if not cut.is_set():
                sink.shutdown(socket.SHUT_WR)

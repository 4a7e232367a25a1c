"""Log lines that can neither stop the service nor lie about it.

A line says who called, how much moved and how it ended; never what was said. Where nobody
reads the lines they are dropped and counted, and the next line that gets through tells.
"""

import json
import os
import select
import stat
import threading
import time
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, TextIO

from runtime.connection import Connection, Ending
from runtime.listening import address_text

LEVELS = ("debug", "info", "warning", "error")

# A condition that lasts is logged once in this time, not once for each caller it hits.
SELDOM_S = 10.0

_EPOCH = datetime(1970, 1, 1)

# The endings that are the caller's doing alone.
_BY_CALLER = {Ending.DONE, Ending.RESET}


class Sink:
    """A descriptor that is written without ever waiting for its reader.

    Lines are far below the 4,096 bytes for which a writable pipe has room (pipe(7)). Polling
    is used, not O_NONBLOCK: whoever shares the descriptor would share that flag.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLOUT)
        self._lock = threading.Lock()
        self._is_torn = False  # a full disk took part of the last line

    @classmethod
    def of(cls, stream: TextIO | None) -> "Sink":
        """The sink of a standard stream, which is None in a process started without it."""
        if not stream:
            return cls(os.open(os.devnull, os.O_WRONLY))
        # A terminal takes a line while it has room for one byte, and then waits; so does a pipe
        # that another process filled since it was asked. Opened anew they can be told not to
        # wait, without a word to those who share the descriptor.
        with suppress(OSError):
            if stream.isatty():
                terminal = os.ttyname(stream.fileno())
                return cls(os.open(terminal, os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK))
            if stat.S_ISFIFO(os.fstat(stream.fileno()).st_mode):
                pipe = f"/proc/self/fd/{stream.fileno()}"
                return cls(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
        return cls(stream.fileno())

    def write(self, line: str) -> bool:
        """Write one line; False when it was dropped, for no room or no reader."""
        data = line.encode("ascii", "backslashreplace") + b"\n"
        with self._lock:
            if self._is_torn:
                data = b"\n" + data
            try:
                size = os.write(self._descriptor, data) if self._poll.poll(0) else 0
            except OSError:
                size = 0
            self._is_torn = size < len(data) and (self._is_torn or size > 0)
            return size == len(data)


class Log:
    """The log of one service: JSON objects, or text where a person watches."""

    def __init__(self, service: str, level: str, sink: Sink, *, text: bool) -> None:
        self._service = service
        self._level = LEVELS.index(level)
        self._sink = sink
        self._line = _text_line if text else _json_line
        self._dropped = 0
        self._lock = threading.Lock()
        self._last: dict[tuple[object, ...], float] = {}

    def write(self, level: str, event: str, **facts: object) -> None:
        """One line, if the level is asked for."""
        if LEVELS.index(level) < self._level:
            return
        with self._lock:
            told = {"lines": self._dropped}
            if self._dropped and self._emit("warning", "lines dropped", told):
                self._dropped = 0
            if not self._emit(level, event, facts):
                self._dropped += 1

    def seldom(self, level: str, event: str, **facts: object) -> None:
        """The same, but not within `SELDOM_S` of the last line that said this."""
        kind, now = (event, *facts.values()), time.monotonic()
        if now - self._last.get(kind, -SELDOM_S) >= SELDOM_S:
            self._last[kind] = now
            self.write(level, event, **facts)

    def ended(self, connection: Connection, ending: Ending) -> None:
        """The line of a finished connection."""
        if self._level > LEVELS.index("info"):
            return  # before anything is made up that nobody reads
        # A balancer's port check comes and goes without a byte, every second for ever.
        is_check = connection.received == connection.sent == 0 and ending in _BY_CALLER
        self.write(
            "debug" if is_check else "info",
            "connection",
            peer=address_text(connection.peer),
            bytes_in=connection.received,
            bytes_out=connection.sent,
            milliseconds=round((time.monotonic() - connection.accepted_at) * 1000, 1),
            ended=ending.value,
        )

    def _emit(self, level: str, event: str, facts: dict[str, Any]) -> bool:
        head = {"time": _now(), "level": level, "event": event, "service": self._service}
        return self._sink.write(self._line(head | facts))


def _now() -> str:
    """Return the time as of RFC 3339, in UTC with milliseconds.

    `time.gmtime` would ask the C library, which subtracts leap seconds if TZ or /etc/localtime is
    a zone below right/.
    """
    now = _EPOCH + timedelta(microseconds=time.time_ns() // 1000)
    return f"{now.isoformat(timespec='milliseconds')}Z"


def _json_line(facts: dict[str, Any]) -> str:
    return json.dumps(facts)


def _text_line(facts: dict[str, Any]) -> str:
    when, level, event, *_ = facts.values()
    rest = " ".join(f"{name}={value}" for name, value in list(facts.items())[3:])
    return f"{when} {level:7} {event:10} {rest}"

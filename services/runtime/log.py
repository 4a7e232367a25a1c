"""Log lines that never block the service.

A line has the client's address, the byte counts and the close reason, and no payload. If the
reader of the log does not keep up, lines are dropped and counted. The next line that gets through
is preceded by the count.
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

from runtime.connection import CloseReason, Connection
from runtime.tcp import address_text

LEVELS = ("debug", "info", "warning", "error")

# A lasting condition is logged once in this time, not once for each connection.
LIMIT_S = 10.0

_EPOCH = datetime(1970, 1, 1)

# The reasons that a client alone causes.
_BY_CLIENT = {CloseReason.DONE, CloseReason.RESET}


class Sink:
    """A descriptor to which lines are written without blocking.

    A line is far shorter than the 4,096 bytes for which a writable pipe has room (pipe(7)). The
    descriptor is polled, not set to O_NONBLOCK, a flag that all processes sharing it would share.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLOUT)
        self._lock = threading.Lock()
        self._is_torn = False  # a full disk took only a part of the last line

    @classmethod
    def of(cls, stream: TextIO | None) -> "Sink":
        """Return the sink of a standard stream, or one that discards if there is no stream."""
        if not stream:
            return cls(os.open(os.devnull, os.O_WRONLY))
        # A terminal with room for one byte accepts a line and then blocks. So does a pipe that
        # another process filled since the poll. A descriptor of our own can have O_NONBLOCK.
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
            dropped = {"lines": self._dropped}
            if self._dropped and self._emit("warning", "lines dropped", dropped):
                self._dropped = 0
            if not self._emit(level, event, facts):
                self._dropped += 1

    def write_limited(self, level: str, event: str, **facts: object) -> None:
        """The same, but not within `LIMIT_S` of the last line that said this."""
        kind, now = (event, *facts.values()), time.monotonic()
        if now - self._last.get(kind, -LIMIT_S) >= LIMIT_S:
            self._last[kind] = now
            self.write(level, event, **facts)

    def ended(self, connection: Connection, reason: CloseReason) -> None:
        """The line of a finished connection."""
        if self._level > LEVELS.index("info"):
            return  # before a line is built that is not written
        # A load balancer's port check connects and closes without a byte, every second.
        is_check = connection.received == connection.sent == 0 and reason in _BY_CLIENT
        self.write(
            "debug" if is_check else "info",
            "connection",
            peer=address_text(connection.peer),
            bytes_in=connection.received,
            bytes_out=connection.sent,
            milliseconds=round((time.monotonic() - connection.accepted_at) * 1000, 1),
            ended=reason.value,
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

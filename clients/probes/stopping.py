"""Ctrl-C and its like: they end a run, but not what is told of it."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import NoReturn

Handler = Callable[..., object] | signal.Handlers

# Stopped by `kill`, by an engine or with its terminal a tool has as much to tell as when stopped by
# hand. In a container, where it may be process 1, SIGTERM would not even stop it otherwise.
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def begin() -> None:
    """Have each of the signals end the run, by KeyboardInterrupt."""
    _handle(_stop)


def finish() -> None:
    """The run is over: one more signal comes too late to change anything. A second one is heard,
    since nobody may read what is still to be told.
    """
    _handle(lambda *_: _handle(signal.default_int_handler))


def end() -> None:
    """All is told: a signal must not change the exit status while the interpreter leaves."""
    _handle(signal.SIG_IGN)


def _stop(*_: object) -> NoReturn:
    finish()
    raise KeyboardInterrupt


def _handle(handler: Handler) -> None:
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup and background jobs have it
            signal.signal(number, handler)

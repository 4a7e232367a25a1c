"""Ctrl-C and its like: they end a run, but not what is told of it."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Handler = Callable[..., object] | signal.Handlers

# Stopped by `kill`, by an engine or with its terminal a tool has as much to tell as when stopped by
# hand. In a container, where it may be process 1, SIGTERM would not even stop it otherwise.
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

# Longer than any line takes that is read.
HELD_BACK_S = 1.0


def begin() -> None:
    """Have each of the signals end the run, by KeyboardInterrupt."""
    _handle(_stop)


@contextmanager
def held_back() -> Iterator[None]:
    """Put a signal off until the block is done, so that all that is told of a step agrees.

    It may be held up by an output that nobody reads, so a second later, or by a second signal, it
    is ended all the same.
    """
    _Held.begun = True
    try:
        yield
    finally:
        _Held.begun = False
        came, _Held.came = _Held.came, False
        if came:
            signal.setitimer(signal.ITIMER_REAL, 0)
    if came:
        finish()
        raise KeyboardInterrupt


class _Held:
    begun = False
    came = False


def finish() -> None:
    """The run is over: one more signal comes too late to change anything. A second one is heard,
    since nobody may read what is still to be told.
    """
    _handle(lambda *_: _handle(signal.default_int_handler))


def end() -> None:
    """All is told: a signal must not change the exit status while the interpreter leaves."""
    _handle(signal.SIG_IGN)


def _stop(number: int, _: object) -> None:
    if _Held.begun and not _Held.came:
        _Held.came = True
        signal.signal(signal.SIGALRM, _stop)
        signal.setitimer(signal.ITIMER_REAL, HELD_BACK_S)
        return
    if number != signal.SIGALRM and _Held.came:
        _handle(signal.default_int_handler)
    else:
        finish()
    raise KeyboardInterrupt


def _handle(handler: Handler) -> None:
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup and background jobs have it
            signal.signal(number, handler)

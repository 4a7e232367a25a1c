"""Ctrl-C, SIGTERM and SIGHUP: they end a run, but not the report on it."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Handler = Callable[..., object] | signal.Handlers

# A tool that `kill`, an engine or the end of its terminal stops has as much to report as one that
# Ctrl-C stops. As process 1 of a container it would otherwise ignore SIGTERM.
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

# Longer than it takes to write any line that is read.
HELD_BACK_S = 1.0


def begin() -> None:
    """Let each of the signals end the run, by KeyboardInterrupt."""
    _handle(_stop)


class Run:
    """A run that goes on to its end or to the first signal, whichever comes first."""

    def __init__(self) -> None:
        self.is_interrupted = False

    def __enter__(self) -> Run:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        if kind is None:
            try:
                finish()
            except KeyboardInterrupt:
                kind = KeyboardInterrupt
        self.is_interrupted = kind is KeyboardInterrupt
        return self.is_interrupted


@contextmanager
def held_back() -> Iterator[None]:
    """Put a signal off until the block is done, so that everything said of one step agrees.

    An output without a reader may hold up the block. So one second later, or at a second signal,
    the run is ended all the same.
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
    """End the run: one more signal is too late to change anything. A second one is obeyed, since
    the rest of the output may have no reader.
    """
    _handle(lambda *_: _handle(signal.default_int_handler))


def end() -> None:
    """Ignore the signals: none may change the exit status while the interpreter exits."""
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

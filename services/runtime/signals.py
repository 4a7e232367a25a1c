"""The signals that ask a server to stop, and the death of a child: blocked, and waited for."""

import math
import os
import signal
import time
from contextlib import suppress

# One request may arrive as two signals: GNU timeout signals the child and then its own group,
# systemd sends SIGTERM and SIGHUP together, a terminal signals a runner that passes it on.
REPEAT_S = 0.5

# sigtimedwait(2) takes no infinity.
_LONGEST_WAIT_S = 3600.0


class StopSignals:
    """SIGTERM, SIGINT and SIGHUP, except those that were ignored when the process started.

    nohup ignores SIGHUP, a shell without job control ignores SIGINT of its background jobs.
    sigwait(3) would deliver an ignored signal, so it is left out of `requests`.
    """

    def __init__(self) -> None:
        """Block the signals. Call it in the main thread, before all else.

        No signal is lost from here on, not even in process 1 of a container, where the kernel
        discards a signal that is neither handled nor blocked. No system call is interrupted.
        """
        candidates = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        self.requests = {each for each in candidates if signal.getsignal(each) != signal.SIG_IGN}
        self._all = self.requests | {signal.SIGCHLD}
        self._repeats_until: float | None = None  # monotonic seconds, while repeats may come
        signal.pthread_sigmask(signal.SIG_BLOCK, self._all)

    def wait(self, until: float = math.inf) -> int:
        """Wait for a request to stop or for SIGCHLD, until a monotonic time.

        Returns the number of the signal, or 0 when the time has come. Requests within `REPEAT_S`
        of the first belong to it and are dropped.
        """
        while self._repeats_until:
            end = min(until, self._repeats_until)
            came = self._next(self._all, end)
            if came == signal.SIGCHLD:
                return came
            if not came and end == until:
                return 0
            if not came:
                self._drop_repeats()
        came = self._next(self._all, until)
        if came in self.requests:
            self._repeats_until = time.monotonic() + REPEAT_S
        return came

    def unblock(self) -> None:
        """Let the kernel's default action apply again: a signal ends the process at once."""
        if signal.SIGINT in self.requests:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # not Python's KeyboardInterrupt
        signal.pthread_sigmask(signal.SIG_UNBLOCK, self._all)

    def _drop_repeats(self) -> None:
        """Drop what is still pending: a busy machine may report the end of the time late."""
        self._repeats_until = None
        while self._next(self.requests, 0):
            pass

    @staticmethod
    def _next(numbers: set[signal.Signals], until: float) -> int:
        """Wait for one of the signals; its number, 0 at the monotonic time `until`."""
        if not hasattr(signal, "sigtimedwait"):
            return _next_without_timeout(numbers, until)
        while True:
            left = until - time.monotonic()
            came = signal.sigtimedwait(numbers, min(max(0.0, left), _LONGEST_WAIT_S))
            if came:
                return came.si_signo
            if left <= _LONGEST_WAIT_S:
                return 0


def _next_without_timeout(numbers: set[signal.Signals], until: float) -> int:
    """Do the same on macOS, which has no sigtimedwait: poll ten times a second."""
    while until < math.inf and not signal.sigpending() & numbers:
        left = until - time.monotonic()
        if left <= 0:
            return 0
        time.sleep(min(left, 0.1))
    return signal.sigwait(numbers)


def reap() -> None:
    """Collect the status of ended children: process 1 inherits the orphans of its container."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass

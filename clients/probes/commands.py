"""The commands. Each imports its tool late, since Ctrl-C must be quiet while it does so, too:
imports are most of what there is before a tool waits for the network.
"""

from __future__ import annotations

from collections.abc import Callable

# What a shell reports for a program ended by SIGINT: 128 and the signal's number.
EXIT_INTERRUPTED = 130


def headinfo() -> int:
    """The command `headinfo`; returns its exit code."""

    def run() -> int:
        from probes.headinfo import main

        return main()

    return _until_stopped(run)


def probe() -> int:
    """The command `probe`; returns its exit code."""

    def run() -> int:
        from probes.probe import main

        return main()

    return _until_stopped(run)


def _until_stopped(run: Callable[[], int]) -> int:
    try:
        import signal

        # Stopped by `kill` or by an engine a tool has as much to tell as when stopped by hand. In a
        # container, where it may be process 1, it would not even be stopped otherwise.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        return run()
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED

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
        from probes import stopping

        stopping.begin()
        exit_code = run()
    except KeyboardInterrupt:
        exit_code = EXIT_INTERRUPTED
    from probes import stopping  # once more, since it may be its import that was interrupted

    stopping.end()
    return exit_code

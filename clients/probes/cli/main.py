"""The commands `probe` and `headinfo`.

They import their modules late, because Ctrl-C must be quiet during imports, too. Imports take most
of the time before a tool waits for the network.
"""

from __future__ import annotations

from collections.abc import Callable


def headinfo() -> int:
    """Run the command `headinfo`; returns its exit code."""

    def run() -> int:
        from probes.cli.headinfo import main

        return main()

    return _until_stopped(run)


def probe() -> int:
    """Run the command `probe`; returns its exit code."""

    def run() -> int:
        from probes.cli.probe import main

        return main()

    return _until_stopped(run)


def _until_stopped(run: Callable[[], int]) -> int:
    try:
        from probes.console import interrupts

        interrupts.begin()
        exit_code = run()
    except KeyboardInterrupt:
        from probes.core.outcome import EXIT_INTERRUPTED

        exit_code = EXIT_INTERRUPTED
    from probes.console import interrupts  # again, because its first import may be interrupted

    interrupts.end()
    return exit_code

"""The tools `probe` and `headinfo`: interrupts, streams, parsing, dispatch and exit code.

All imports are late, because Ctrl-C must be quiet during imports, too. Imports take most of the
time before a tool waits for the network.
"""

from __future__ import annotations


def probe() -> int:
    """Run the tool `probe`; returns its exit code."""
    return _main("probe")


def headinfo() -> int:
    """Run the tool `headinfo`; returns its exit code."""
    return _main("headinfo")


def _main(tool: str) -> int:
    try:
        from probes.console import interrupts

        interrupts.begin()
        from importlib import import_module

        from probes.console.streams import standard_streams

        with standard_streams():
            options = import_module(f"probes.cli.{tool}").parser().parse_args()
            exit_code: int = options.run(options)
    except KeyboardInterrupt:
        from probes.core.outcome import EXIT_INTERRUPTED

        exit_code = EXIT_INTERRUPTED
    except SystemExit as end:  # a help, a usage error, or an output that cannot be written
        exit_code = int(end.code or 0)
    from probes.console import interrupts  # again, because the first import may be interrupted

    interrupts.end()
    return exit_code

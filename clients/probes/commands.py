"""The commands. Each imports its tool late, since Ctrl-C must be quiet while it does so, too:
imports are most of what there is before a tool waits for the network.
"""

# What a shell reports for a program ended by SIGINT: 128 and the signal's number.
EXIT_INTERRUPTED = 130


def headinfo() -> int:
    """The command `headinfo`; returns its exit code."""
    try:
        from probes.headinfo import main

        return main()
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def probe() -> int:
    """The command `probe`; returns its exit code."""
    try:
        from probes.probe import main

        return main()
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED

"""python -m echo: the echo service."""

import os

from runtime.signals import StopSignals


def main() -> int:
    """Serve until told to stop; the exit status."""
    signals = StopSignals()  # before the slower imports, so that no signal is missed
    from echo.service import Echo
    from echo.settings import EchoSettings
    from runtime.server import run

    return run("echo", EchoSettings, Echo, signals)


if __name__ == "__main__":
    # Not sys.exit: the threads of the admin port may be at work until the very end, and the
    # interpreter, taken down beneath them, can crash instead of telling the status.
    os._exit(main())

"""python -m daytime: the daytime service."""

import os

from runtime.lifecycle import Stop


def main() -> int:
    """Serve until told to stop; the exit status."""
    stop = Stop.on_signals()  # before the slower imports, so that no signal is missed
    from daytime.service import Daytime
    from daytime.settings import DaytimeSettings
    from runtime.server import run

    return run("daytime", DaytimeSettings, Daytime, stop)


if __name__ == "__main__":
    # Not sys.exit: the threads of the admin port may be at work until the very end, and the
    # interpreter, taken down beneath them, can crash instead of telling the status.
    os._exit(main())

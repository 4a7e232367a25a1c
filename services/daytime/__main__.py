"""python -m daytime: the daytime service."""

import os
import sys

if __package__ != "daytime":
    os.write(2, b"daytime: start it as a module: cd services && python3 -m daytime\n")
    sys.exit(2)

from runtime.signals import StopSignals


def main() -> int:
    """Serve until a signal stops the server. Returns the exit status."""
    signals = StopSignals()  # before the slower imports, so that no signal is missed
    from daytime.service import Daytime
    from daytime.settings import DaytimeSettings
    from runtime.main import run

    return run("daytime", DaytimeSettings, Daytime, signals)


if __name__ == "__main__":
    # Not sys.exit: the threads of the admin port may be at work until the very end, and the
    # interpreter, taken down beneath them, can crash instead of telling the status.
    os._exit(main())

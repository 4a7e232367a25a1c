"""Run both services as processes on 127.0.0.1, over TCP and UDP, until Ctrl-C or one ends."""

import os
import signal
import sys
from pathlib import Path
from subprocess import Popen

SERVICES = Path(__file__).parent.parent / "services"
# As compose has it, where the services can: only Linux tells them which address was asked.
UDP = {"SERVE_UDP": "1"} if sys.platform == "linux" else {}
ENVIRONMENT = {**UDP, **os.environ}


def main() -> int:
    """Start, wait, stop; 0 if both ended in order."""
    children: list[Popen[bytes]] = []
    asked = False

    def stop(*_: object) -> None:
        nonlocal asked
        asked = True
        for child in children:
            child.terminate()

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    # Until both are started a signal waits, so that it reaches both. They inherit that, which is
    # no harm to them: a service waits for its signals and does not have them delivered.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    for name in ("daytime", "echo"):
        command = [sys.executable, "-m", name, "--host", "127.0.0.1"]
        # In a session of its own, since to a service a second signal means to end at once: a
        # Ctrl-C is to reach it through this process only, not from the terminal as well.
        children.append(Popen(command, cwd=SERVICES, env=ENVIRONMENT, start_new_session=True))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
    failed = False
    for _ in children:
        _, status = os.wait()
        failed |= status != 0
        if not asked:
            stop()
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())

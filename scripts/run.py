"""Run both services as processes on 127.0.0.1, over TCP and UDP, until Ctrl-C or one ends.

    python3 -m scripts.run [PARENT]

Every signal that ends a process stops the services, and so does the end of the process PARENT.
"""

import os
import select
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path
from subprocess import Popen

from scripts.parent import end_with

SERVICES = Path(__file__).parent.parent / "services"
# The same as in compose. Only Linux reports the destination address that an answer comes from.
UDP = {"SERVE_UDP": "1"} if sys.platform == "linux" else {}
ENVIRONMENT = {**UDP, **os.environ}

# A signal that was ignored at the start stays ignored: SIGHUP under nohup, SIGINT in a shell's
# background jobs.
SIGNALS = {
    number
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)
    if signal.getsignal(number) != signal.SIG_IGN
} | {signal.SIGCHLD}


def main() -> int:
    """Run both services until a signal comes or one ends. Returns 0 if both exited with 0."""
    # Signals stay pending until `sigwait`, so that no handler runs in the middle of this code.
    # SIGCHLD has a handler all the same: a system may discard it where it would be ignored.
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    if sys.argv[1:]:
        end_with(int(sys.argv[1]))
    children: list[Popen[bytes]] = []
    try:
        for service in ("daytime", "echo"):
            children.append(start(service))
        threading.Thread(target=watch_terminal, daemon=True).start()
        while all_run(children) and signal.sigwait(SIGNALS) == signal.SIGCHLD:
            pass  # a child may have ended, or was only halted or continued
    except OSError as error:
        print(f"run: {service} cannot be started: {error.strerror}", file=sys.stderr)
        stop(children)
        return 1
    return stop(children)


def start(service: str) -> Popen[bytes]:
    """Start a service. Raises OSError."""
    runner = os.getpid()

    def prepare() -> None:
        end_with(runner)
        # A SIGTERM that comes early waits until the service handles it.
        signal.pthread_sigmask(signal.SIG_SETMASK, {signal.SIGTERM})

    command = [sys.executable, "-m", service, "--host", "127.0.0.1"]
    # In a session of its own: a Ctrl-C reaches a service once, as a SIGTERM from this process.
    return Popen(command, cwd=SERVICES, env=ENVIRONMENT, preexec_fn=prepare, start_new_session=True)


def watch_terminal() -> None:
    """Send SIGHUP to this process when its terminal closes.

    The kernel sends it to the session leader. If that is make, it waits for this process and
    passes nothing on.
    """
    with suppress(OSError), Path("/dev/tty").open("rb", buffering=0) as terminal:  # if there is one
        hang_up = select.poll()
        hang_up.register(terminal, 0)
        hang_up.poll()
        os.kill(os.getpid(), signal.SIGHUP)


def all_run(children: list[Popen[bytes]]) -> bool:
    """Return whether no child has ended."""
    return all(child.poll() is None for child in children)


def stop(children: list[Popen[bytes]]) -> int:
    """Send SIGTERM to the children, again at each further signal, until all have ended.

    Returns 0 if all exited with 0.
    """
    came: int = signal.SIGTERM
    while any(child.poll() is None for child in children):
        if came != signal.SIGCHLD:
            for child in children:
                child.terminate()
        came = signal.sigwait(SIGNALS)
    return int(any(child.returncode for child in children))


if __name__ == "__main__":
    sys.exit(main())

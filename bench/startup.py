"""How long a service takes from its start to its ready line, beside an interpreter that does
nothing. It is given as text to the interpreter that serves, so it imports what every image has.

    python3 -c "$(cat startup.py)" ROUNDS

One line of JSON: for each program the seconds of all rounds.
"""

import json
import os
import signal
import sys
import time

ENDED, READY = b"", b"ready"
PROGRAMS = {
    "nothing": (["-c", "pass"], ENDED),
    "echo": (["-m", "echo", "--port", "0"], READY),
    "daytime": (["-m", "daytime", "--port", "0"], READY),
}


def seconds_until(arguments: list[str], sign: bytes) -> float:
    """Seconds until a program has written a sign, or until it has ended."""
    reader, writer = os.pipe()
    output = [(os.POSIX_SPAWN_DUP2, writer, 1), (os.POSIX_SPAWN_CLOSE, reader)]
    began = time.perf_counter()
    argv = [sys.executable, *arguments]
    pid = os.posix_spawn(sys.executable, argv, os.environ, file_actions=output)
    os.close(writer)
    seen = b""
    while not sign or sign not in seen:
        data = os.read(reader, 4096)
        if not data:
            break
        seen += data
    took = time.perf_counter() - began
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(reader)
    if sign not in seen:
        sys.exit(f"{' '.join(arguments)}: ended before it was ready")
    return took


def main(rounds: int, programs: list[str]) -> None:
    """Start each program so many times, one after the other."""
    took: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(rounds):
        for name in programs:
            took[name].append(seconds_until(*PROGRAMS[name]))
    print(json.dumps(took))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])

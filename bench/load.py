"""The load generator: bench/load.c, and one run of it."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

from bench.works import SHORT_CONNECTIONS, Work

PATIENCE_S = 60

Sample = dict[str, float]


class LoadFailed(Exception):
    """What the load generator found wrong: one line."""


def run(
    program: Path,
    work: Work,
    port: int,
    pids: list[int],
    core: int,
    seconds: float,
    meanwhile: Callable[[], Sample],
) -> Sample:
    """Put a server under load; what was measured, and what is seen while the connections are
    still open. Raises LoadFailed.
    """
    mode, time = work.mode, ["-w", str(seconds / 4), "-d", str(seconds)]
    if mode == "idle":
        mode, time = "echo", ["-w", "0", "-d", "0"]
    elif mode == "daytime":
        time = ["-c", str(SHORT_CONNECTIONS)]
    command = [str(program), mode, str(port), "-n", str(work.connections), "-s", str(work.size)]
    command += [*time, *(part for pid in pids for part in ("-p", str(pid)))]
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        start_new_session=True,
    )
    try:
        assert process.stdout
        line = process.stdout.readline()
        sample: Sample = {**json.loads(line), **meanwhile()} if line else {}
        _, errors = process.communicate(timeout=PATIENCE_S)
    finally:
        process.kill()
        process.wait()
    if process.returncode:
        raise LoadFailed(errors.strip() or f"load: status {process.returncode}")
    return sample

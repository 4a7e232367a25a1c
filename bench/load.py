"""The load generator, load.c, and one run of it."""

import json
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from bench.processes import started
from bench.works import SHORT_CONNECTIONS, Work

PATIENCE_S = 10

# What one run has measured, by name; times are microseconds where the name says nothing else.
Sample = Mapping[str, float]


class LoadFailed(Exception):
    """What the load generator found wrong: one line."""


class LoadGenerator(NamedTuple):
    """The program, the core that it runs on, and how long it measures."""

    program: Path
    core: int
    seconds: float

    def run(
        self, work: Work, port: int, pids: Sequence[int], meanwhile: Callable[[], Sample]
    ) -> Sample:
        """Put a server under load; what came of it, with what is seen before the connections
        are closed. Raises LoadFailed.
        """
        command = [str(self.program), *self._arguments(work, port), *(f"-p{pid}" for pid in pids)]
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        with started(command, self.core, text=True, **pipes) as process:
            assert process.stdout
            line = process.stdout.readline()
            sample = {**json.loads(line), **meanwhile()} if line else {}
            _, errors = process.communicate(timeout=PATIENCE_S)
        if process.returncode:
            raise LoadFailed(errors.strip() or f"load: status {process.returncode}")
        return sample

    def _arguments(self, work: Work, port: int) -> list[str]:
        mode, time = work.mode, ["-w", str(self.seconds / 4), "-d", str(self.seconds)]
        if mode == "idle":
            mode, time = "echo", ["-w", "0", "-d", "0"]
        elif mode == "daytime":
            time = ["-c", str(SHORT_CONNECTIONS)]
        return [mode, str(port), "-n", str(work.connections), "-s", str(work.size), *time]

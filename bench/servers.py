"""A server while it is measured."""

import os
import random
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from bench.building import NotBuilt, output
from bench.processes import cpu_seconds, resident_bytes, started, ticks, tree
from bench.programs import Place, Program, program
from bench.works import Work

START_S = 30.0
SETTLE_S = 10.0
ENGINE_S = 60.0

# A server that uses less of its core than a fiftieth has no more to do.
LOOK_S, AT_REST = 0.05, 0.02


class ServerFailed(Exception):
    """A server that does not start: one line."""


class Server:
    """A server on a port of its own. A context manager, which starts and ends it."""

    def __init__(self, place: Place, name: str, work: Work, core: int) -> None:
        self.name, self._service, self._core = name, work.service, core
        self.port = free_port()
        self._how = program(place, name, work, self.port, free_port(), core)
        self.pids: list[int] = []
        self._end = ExitStack()

    def wait(self, processes: int = 1) -> None:
        """Wait until it answers, and is of so many processes. Raises ServerFailed, NotBuilt."""
        deadline = time.monotonic() + START_S
        while not self._answers() or len(pids := tree(self._pid())) < processes:
            if self._process.poll() is not None:
                raise ServerFailed(f"did not start: {self._last_words()}")
            if time.monotonic() > deadline:
                raise ServerFailed(f"not there within {START_S:g} s of the start")
            time.sleep(0.02)
        self.pids = pids

    def settle(self) -> None:
        """Wait until it has seen the last callers off and leaves its core to others."""
        deadline = time.monotonic() + SETTLE_S
        after = cpu_seconds(self.pids)
        while time.monotonic() < deadline:
            before = after
            time.sleep(LOOK_S)
            after = cpu_seconds(self.pids)
            if after - before < LOOK_S * AT_REST:
                return

    def ticks(self) -> tuple[int, int]:
        """Its processor time so far, in its own code and in the kernel."""
        return ticks(self.pids)

    def resident_bytes(self) -> int:
        """Its memory now."""
        return resident_bytes(self.pids)

    def __enter__(self) -> "Server":
        self._errors = self._end.enter_context(tempfile.TemporaryFile())
        options = {"stdout": subprocess.DEVNULL, "stderr": self._errors}
        self._process = self._end.enter_context(running(self._how, self._core, **options))
        return self

    def __exit__(self, *_: object) -> None:
        self._end.close()

    def _answers(self) -> bool:
        kind = socket.SOCK_DGRAM if self._service == "udp" else socket.SOCK_STREAM
        with socket.socket(socket.AF_INET, kind) as asking, suppress(OSError):
            asking.settimeout(0.2)
            asking.connect(("127.0.0.1", self.port))
            if kind == socket.SOCK_STREAM:
                return True
            asking.send(b"there?")
            return asking.recv(64) == b"there?"
        return False

    def _pid(self) -> int:
        if not self._how.container:
            return self._process.pid
        return int(output("docker", "inspect", "--format={{.State.Pid}}", self._how.container))

    def _last_words(self) -> str:
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"status {self._process.returncode}"


@contextmanager
def running(how: Program, core: int, **options: Any) -> Iterator[subprocess.Popen[Any]]:
    """A program while it runs, and after it nothing of its container."""
    env = environment() | how.env
    try:
        with started(how.argv, core, env=env, stdin=subprocess.DEVNULL, **options) as process:
            yield process
    finally:
        if how.container:
            command = ["docker", "rm", "--force", how.container]
            subprocess.run(command, capture_output=True, timeout=ENGINE_S, check=False)


def printed(how: Program, core: int) -> str:
    """What a program prints until it ends by itself. Raises NotBuilt."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with running(how, core, text=True, **pipes) as process:
        try:
            text, errors = process.communicate(timeout=ENGINE_S)
        except subprocess.TimeoutExpired:
            raise NotBuilt(f"{how.argv[0]}: no end within {ENGINE_S:g} s") from None
    if process.returncode:
        raise NotBuilt((errors.strip().splitlines() or [f"status {process.returncode}"])[-1])
    return str(text)


def environment() -> dict[str, str]:
    """Our environment without what would be a setting of a service."""
    return {k: v for k, v in os.environ.items() if not k.startswith("SERVE_") and k != "TZ"}


def free_port() -> int:
    """A port that nobody listened on a moment ago, below those that Linux chooses from."""
    while True:
        with suppress(OSError):
            port = random.randrange(10_000, 30_000)
            socket.create_server(("", port)).close()
            return port

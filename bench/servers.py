"""A server while it is measured."""

import os
import random
import socket
import subprocess
import tempfile
import time
from contextlib import suppress

from bench import processes
from bench.programs import Place, program
from bench.works import Work

START_S = 30.0
SETTLE_S = 10.0


class ServerFailed(Exception):
    """A server that does not start, or has gone: one line."""


class Server:
    """A server on a port of its own, pinned to a core. A context manager."""

    def __init__(self, place: Place, name: str, work: Work, core: int) -> None:
        self.name, self._work = name, work
        self.port, admin = free_port(), free_port()
        how = program(place, name, work, self.port, admin, core)
        self._container = how.container
        self._errors = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            how.argv,
            env=environment() | how.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._errors,
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),
            start_new_session=True,  # Ctrl-C is for us, who stop it
        )
        self.pids: list[int] = []

    def wait(self) -> None:
        """Wait until it answers. Raises ServerFailed."""
        deadline = time.monotonic() + START_S
        while not self._answers():
            if self._process.poll() is not None:
                raise ServerFailed(f"did not start: {self._last_words()}")
            if time.monotonic() > deadline:
                raise ServerFailed(f"no answer within {START_S:g} s of its start")
            time.sleep(0.02)
        self.pids = processes.tree(self._pid())

    def settle(self) -> None:
        """Wait until it has seen the last callers off and leaves its core to others."""
        deadline = time.monotonic() + SETTLE_S
        before = processes.cpu_seconds(self.pids)
        while time.monotonic() < deadline:
            time.sleep(0.05)
            after = processes.cpu_seconds(self.pids)
            if after - before < 0.001:
                return
            before = after

    def resident_bytes(self) -> int:
        """Its memory now."""
        return processes.resident_bytes(self.pids)

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        if self._container:
            command = ["docker", "rm", "--force", self._container]
            subprocess.run(command, capture_output=True, check=False)
        else:
            self._process.kill()
        self._process.wait()
        self._errors.close()

    def _answers(self) -> bool:
        kind = socket.SOCK_DGRAM if self._work.service == "udp" else socket.SOCK_STREAM
        with socket.socket(socket.AF_INET, kind) as asking, suppress(OSError):
            asking.settimeout(0.2)
            asking.connect(("127.0.0.1", self.port))
            if kind == socket.SOCK_STREAM:
                return True
            asking.send(bytes(8))
            return asking.recv(8) == bytes(8)
        return False

    def _pid(self) -> int:
        if not self._container:
            return self._process.pid
        question = ["docker", "inspect", "--format={{.State.Pid}}", self._container]
        return int(subprocess.run(question, capture_output=True, check=True).stdout)

    def _last_words(self) -> str:
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"status {self._process.returncode}"


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

"""A server while it is measured."""

import os
import random
import signal
import socket
import subprocess
import time
from contextlib import suppress

from bench.building import output
from bench.processes import cpu_seconds, resident_bytes, tree
from bench.programs import Place, program
from bench.works import Work

START_S = 30.0
SETTLE_S = 10.0
ENGINE_S = 60.0

# A server that uses less of its core than a fiftieth has no more to do.
LOOK_S, AT_REST = 0.05, 0.02


class ServerFailed(Exception):
    """A server that does not start: one line."""


class Server:
    """A server on a port of its own, pinned to a core. A context manager, which ends it."""

    def __init__(self, place: Place, name: str, work: Work, core: int) -> None:
        self.name, self._service = name, work.service
        self.port = free_port()
        how = program(place, name, work, self.port, free_port(), core)
        self._container = how.container
        self._errors = os.memfd_create("errors")
        self._process = subprocess.Popen(
            how.argv,
            env=environment() | how.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._errors,
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),
            start_new_session=True,  # Ctrl-C is for us, who end all of the session
        )
        self.pids: list[int] = []

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

    def resident_bytes(self) -> int:
        """Its memory now."""
        return resident_bytes(self.pids)

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self._errors)
        if self._container:
            command = ["docker", "rm", "--force", self._container]
            subprocess.run(command, capture_output=True, timeout=ENGINE_S, check=False)

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
        if not self._container:
            return self._process.pid
        return int(output("docker", "inspect", "--format={{.State.Pid}}", self._container))

    def _last_words(self) -> str:
        lines = os.pread(self._errors, 1 << 16, 0).decode(errors="replace").strip().splitlines()
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

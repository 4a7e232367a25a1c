"""How each server is started: our images where an engine answers, else the local interpreter.

The peers in Python run on the same interpreter as ours, so what is compared is the servers: in
the images' base image, which has the full standard library. Go and C run on the host.
"""

import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from bench import building
from bench.building import PEERS
from bench.works import OURS, Work

ROOT = building.BENCH.parent
SERVICES = Path(os.environ.get("SERVICES", ROOT / "services"))
PYTHON = os.environ.get("SERVER_PYTHON", sys.executable)
VERSION_QUESTION = "import platform; print(platform.python_version())"
FILES = resource.getrlimit(resource.RLIMIT_NOFILE)[1]

# No refusal, but still a bucket for each source that counts.
UDP_FLAGS = ["--udp", "--udp-rate", "1000000"]


class Program(NamedTuple):
    """A command, what it adds to the environment, and the container that it makes, if any."""

    argv: list[str]
    env: dict[str, str]
    container: str | None = None


class Local:
    """Everything on this host."""

    name = "local interpreter"

    def __init__(self) -> None:
        self.python_version = _output(PYTHON, "-c", VERSION_QUESTION)

    def ours(self, service: str, flags: list[str], core: int) -> Program:
        """One of our services."""
        return Program([PYTHON, "-m", service, *flags], {"PYTHONPATH": str(SERVICES)})

    def python(self, script: str, arguments: list[str], paths: list[Path], core: int) -> Program:
        """A peer in Python, and directories with what it imports."""
        env = {"PYTHONPATH": ":".join(map(str, paths))}
        return Program([PYTHON, str(PEERS / script), *arguments], env)


class Images:
    """Our services as they ship, with host networking; the peers in Python in the base image."""

    name = "images, host networking"

    def __init__(self, version: str) -> None:
        self._version = version
        self._base = _output(str(ROOT / "scripts/base-image"))
        self._count = 0
        self.python_version = _output(
            "docker", "run", "--rm", self._base, "python3.13", "-c", VERSION_QUESTION
        )

    def image(self, service: str) -> str:
        """The name of a service's image."""
        return f"small-services/{service}:{self._version}"

    def ours(self, service: str, flags: list[str], core: int) -> Program:
        """One of our services."""
        return self._confined([], [self.image(service), *flags], core)

    def python(self, script: str, arguments: list[str], paths: list[Path], core: int) -> Program:
        """A peer in Python, and directories with what it imports."""
        mounts = {PEERS: "/peers"} | {path: f"/{path.name}" for path in paths}
        options = [part for path, at in mounts.items() for part in ("-v", f"{path}:{at}:ro")]
        options += ["-e", "PYTHONPATH=" + ":".join(f"/{path.name}" for path in paths)]
        options += ["--user", "10001:10001"]
        return self._confined(
            options, [self._base, "python3.13", f"/peers/{script}", *arguments], core
        )

    def _confined(self, options: list[str], rest: list[str], core: int) -> Program:
        self._count += 1
        name = f"bench-{os.getpid()}-{self._count}"
        confined = ["--network=host", "--read-only", "--cap-drop=ALL", f"--cpuset-cpus={core}"]
        confined += ["--security-opt=no-new-privileges", f"--ulimit=nofile={FILES}:{FILES}"]
        return Program(["docker", "run", "--rm", f"--name={name}", *confined, *options, *rest], {}, name)


Place = Local | Images


def program(place: Place, name: str, work: Work, port: int, admin: int, core: int) -> Program:
    """How a server is started for a work. Raises NotBuilt."""
    if name in OURS:
        flags = ["--model", name, "--port", str(port), "--admin-port", str(admin)]
        flags += ["--log-level", "warning", *(UDP_FLAGS if work.service == "udp" else [])]
        return place.ours("daytime" if work.service == "daytime" else "echo", flags, core)
    if name == "c":
        return Program([str(building.compiled(PEERS / "epoll.c")), work.service, str(port)], {})
    if name in ("go", "go-copy"):
        mode = "copy" if name == "go-copy" else work.service
        arguments = [mode, str(port), str(work.buffer)]
        return Program([str(building.go_peer()), *arguments], {"GOMAXPROCS": "1"})
    if name == "socketserver":
        return place.python("threads.py", [work.service, str(port)], [], core)
    minor = place.python_version.rpartition(".")[0]
    paths = [building.uvloop(minor)] if name == "uvloop" else []
    return place.python("protocols.py", [name, work.service, str(port)], paths, core)


def _output(*command: str) -> str:
    """What a command prints. Raises OSError, CalledProcessError."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

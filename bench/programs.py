"""How each server is started: our images where an engine answers, else the local interpreter.

The peers in Python run on the same interpreter as ours, so that servers are compared and not
interpreters: in the base image, which has all of the standard library. Go and C run on the host.
SERVER_PYTHON and SERVICES choose another local interpreter and another folder of ours.
"""

import os
import resource
import sys
from pathlib import Path
from typing import NamedTuple

from bench import building
from bench.building import PEERS, output
from bench.works import OURS, Work

ROOT = building.BENCH.parent
SERVICES = Path(os.environ.get("SERVICES", ROOT / "services")).resolve()
PYTHON = os.environ.get("SERVER_PYTHON", sys.executable)
VERSION = "import platform; print(platform.python_version())"
FILES = resource.getrlimit(resource.RLIMIT_NOFILE)[1]

# The bucket of each source is kept, but refuses nobody.
UDP_FLAGS = ("--udp", "--udp-rate", "1000000")


class Program(NamedTuple):
    """A command, what it adds to the environment, and the container that it makes, if any."""

    argv: list[str]
    env: dict[str, str]
    container: str | None = None


class Local:
    """Everything on this host."""

    title = "the local interpreter"

    def __init__(self) -> None:
        self.python_version = output(PYTHON, "-c", VERSION)

    def ours(self, service: str, arguments: list[str], core: int) -> Program:
        """One of our services."""
        return self.our_python(service, ["-m", service, *arguments], core)

    def our_python(self, service: str, arguments: list[str], core: int) -> Program:
        """The interpreter that serves one of our services."""
        return Program([PYTHON, *arguments], {"PYTHONPATH": str(SERVICES)})

    def python(self, script: str, arguments: list[str], path: Path | None, core: int) -> Program:
        """A peer in Python, and the directory with what it imports."""
        return Program([PYTHON, str(PEERS / script), *arguments], {"PYTHONPATH": str(path or "")})


class Images:
    """Our services as they ship, on the host's network; the peers in Python in the base image."""

    title = "the images with host networking"

    def __init__(self, version: str) -> None:
        self.images = {name: f"small-services/{name}:{version}" for name in ("daytime", "echo")}
        output("docker", "image", "inspect", *self.images.values())
        self._base = output(str(ROOT / "scripts/base-image"))
        self.python_version = output(
            "docker", "run", "--rm", self._base, "python3.13", "-c", VERSION
        )
        self._count = 0

    def ours(self, service: str, arguments: list[str], core: int) -> Program:
        """One of our services."""
        return self._confined([], [self.images[service], *arguments], core)

    def our_python(self, service: str, arguments: list[str], core: int) -> Program:
        """The interpreter that serves one of our services."""
        return self._confined(["--entrypoint=python3.13"], [self.images[service], *arguments], core)

    def python(self, script: str, arguments: list[str], path: Path | None, core: int) -> Program:
        """A peer in Python, and the directory with what it imports."""
        mounts = {PEERS: "/peers"} | ({path: "/path"} if path else {})
        options = [f"--volume={here}:{there}:ro" for here, there in mounts.items()]
        # A checkout may be readable for its owner alone.
        options += ["--env=PYTHONPATH=/path", f"--user={os.getuid()}:{os.getgid()}"]
        command = [self._base, "python3.13", f"/peers/{script}", *arguments]
        return self._confined(options, command, core)

    def _confined(self, options: list[str], command: list[str], core: int) -> Program:
        self._count += 1
        name = f"bench-{os.getpid()}-{self._count}"
        confined = ["--network=host", "--read-only", "--cap-drop=ALL", f"--cpuset-cpus={core}"]
        confined += ["--security-opt=no-new-privileges", f"--ulimit=nofile={FILES}:{FILES}"]
        run = ["docker", "run", "--rm", f"--name={name}", *confined]
        return Program([*run, *options, *command], {}, name)


Place = Local | Images


def program(place: Place, name: str, work: Work, port: int, admin: int, core: int) -> Program:
    """How a server is started for a work. Raises NotBuilt."""
    if name in OURS:
        flags = ["--model", name, "--port", str(port), "--admin-port", str(admin)]
        flags += ["--log-level", "warning", *work.flags]
        flags += UDP_FLAGS if work.service == "udp" else []
        return place.ours("daytime" if work.service == "daytime" else "echo", flags, core)
    if name == "c":
        peer = building.compiled(PEERS / "epoll.c")
        return Program([str(peer), work.service, str(port)], {})
    if name in ("go", "go-copy"):
        mode = "copy" if name == "go-copy" else work.service
        peer = building.go_peer()
        return Program([str(peer), mode, str(port), str(work.go_buffer)], {"GOMAXPROCS": "1"})
    if name == "socketserver":
        return place.python("threads.py", [work.service, str(port)], None, core)
    path = building.uvloop(place.python_version) if name == "uvloop" else None
    return place.python("protocols.py", [name, work.service, str(port)], path, core)

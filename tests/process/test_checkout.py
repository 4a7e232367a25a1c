"""What a checkout may look like for the images and the scripts to work."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from server_process import SERVICES

ROOT = SERVICES.parent
CLIENTS = ROOT / "clients"


def private_copy(source: Path, target: Path) -> Path:
    """Copy a directory as a checkout under umask 077 has it."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    for path in (target, *target.rglob("*")):
        path.chmod(path.stat().st_mode & 0o700)
    return target


def run(*command: str, directory: Path, **variables: str) -> None:
    """Run a command that must succeed."""
    done = subprocess.run(
        command,
        cwd=directory,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def unreadable(directory: Path) -> list[Path]:
    """Return what other users may not read, or not enter, in a directory."""
    return [
        path
        for path in (directory, *directory.rglob("*"))
        if not path.is_symlink() and ~path.stat().st_mode & (0o005 if path.is_dir() else 0o004)
    ]


@pytest.mark.fault("a checkout under umask 077")
@pytest.mark.parametrize("service", ["daytime", "echo"])
def test_a_service_image_of_a_private_checkout(tmp_path: Path, service: str) -> None:
    """All users may read all files of a service image, whatever the modes of the checkout."""
    app, root = private_copy(SERVICES, tmp_path / "app"), tmp_path / "root"
    run(sys.executable, "gather.py", service, str(root), directory=app)
    assert list(root.rglob("__main__.*.pyc"))
    assert unreadable(root) == []


@pytest.mark.fault("a checkout under umask 077")
def test_a_client_image_of_a_private_checkout(tmp_path: Path) -> None:
    """All users may read all files of the client image, whatever the modes of the checkout."""
    app, launchers = private_copy(CLIENTS, tmp_path / "app"), tmp_path / "bin"
    run(sys.executable, "launchers.py", str(launchers), directory=app, PYTHONPATH=str(app))
    assert unreadable(app) == []
    assert unreadable(launchers) == []


@pytest.mark.fault("a base image whose zone directory links to /etc/localtime")
def test_an_image_has_no_zone_of_its_host(tmp_path: Path) -> None:
    """A link in the zone directory to a path outside of it, such as /etc/localtime, is left out."""
    zones, local = tmp_path / "zones", tmp_path / "localtime"
    zones.mkdir()
    (zones / "UTC").write_bytes(b"TZif")
    local.symlink_to(zones / "UTC")
    (zones / "localtime").symlink_to(local)
    (zones / "Zulu").symlink_to("UTC")
    root = tmp_path / "root"
    gather = [sys.executable, "gather.py", "daytime", str(root)]
    run(*gather, directory=SERVICES, PYTHONTZPATH=str(zones))
    copied = root / zones.relative_to("/")
    assert {path.name for path in copied.iterdir()} == {"UTC", "Zulu"}
    assert not (root / local.relative_to("/")).exists()


@pytest.mark.fault("a checkout with core.autocrlf=true")
@pytest.mark.skipif(not shutil.which("git"), reason="there is no git")
def test_line_ends_of_a_checkout(tmp_path: Path) -> None:
    """A checkout has no carriage return, even if git is set to add them."""
    git = ["git", "-c", "core.autocrlf=true"]
    for name in (".gitattributes", "scripts/base-image"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy2(ROOT / name, tmp_path / name)
    run(*git, "init", "--quiet", directory=tmp_path)
    run(*git, "add", ".", directory=tmp_path)
    (tmp_path / "scripts/base-image").unlink()
    run(*git, "checkout", "--quiet", ".", directory=tmp_path)
    assert b"\r" not in (tmp_path / "scripts/base-image").read_bytes()

"""A file that replaces another as a whole, or not at all."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from probes.console.report_file import replace


def names(directory: Path) -> list[str]:
    """What is in a directory."""
    return sorted(each.name for each in directory.iterdir())


def test_replace(tmp_path: Path) -> None:
    """A new file and one in the place of another have the text, and nothing else is left."""
    path = tmp_path / "page.html"
    for text in ("one", "tw\u00f6"):
        replace(str(path), text)
        assert path.read_text("utf-8") == text
        assert names(tmp_path) == ["page.html"]


def test_mode(tmp_path: Path) -> None:
    """Who may read a new file is for the umask to say; one that is replaced keeps its mode."""
    path = tmp_path / "page.html"
    before = os.umask(0o027)
    replace(str(path), "")
    os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o640
    path.chmod(0o604)
    replace(str(path), "")
    assert path.stat().st_mode & 0o777 == 0o604


def test_link(tmp_path: Path) -> None:
    """A symbolic link stays one, and what it points at is replaced."""
    (tmp_path / "link").symlink_to("page.html")
    replace(str(tmp_path / "link"), "text")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "page.html").read_text() == "text"


@pytest.mark.parametrize("what", ["directory", "device", "socket", "nowhere", "below a file"])
def test_no_place(tmp_path: Path, what: str) -> None:
    """What is no regular file, or where none can be, is an OSError and stays as it is."""
    places = {"directory": tmp_path, "device": Path(os.devnull), "socket": tmp_path / "socket"}
    (tmp_path / "file").touch()
    path = places.get(what, tmp_path / ("no" if what == "nowhere" else "file") / "page.html")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(tmp_path / "socket"))
        mode = path.stat().st_mode if path.exists() else None
        with pytest.raises(OSError, match=r"regular file|No such|Not a directory"):
            replace(str(path), "text")
    assert (path.stat().st_mode if path.exists() else None) == mode
    assert names(tmp_path) == ["file", "socket"]


def test_failure_leaves_what_is_there(tmp_path: Path) -> None:
    """When the text cannot be written, the old file stays and no other is left beside it."""
    path = tmp_path / "page.html"
    path.write_text("before")
    with pytest.raises(UnicodeEncodeError):
        replace(str(path), "x" * 100_000 + "\ud800")
    assert (names(tmp_path), path.read_text()) == (["page.html"], "before")

"""A file that is whole or not there: written beside its place, and moved there when it is done."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


def replace(path: Path, text: str) -> None:
    """Put a file with `text` in the place of `path`; raises OSError, and leaves what is there."""
    place = Path(os.path.realpath(path))  # a link stays a link
    mode = _mode(place)
    # Not by tempfile, whose files nobody but their owner may read.
    temporary = place.with_name(f".probe-{os.urandom(8).hex()}")
    try:
        temporary.write_text(text, encoding="utf-8")
        if mode is not None:  # who may read what is there may read what comes, and nobody else
            temporary.chmod(mode)
        temporary.replace(place)
    finally:
        temporary.unlink(missing_ok=True)


def _mode(place: Path) -> int | None:
    """Who may do what with the file in a place; None if there is none."""
    try:
        mode = place.stat().st_mode
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(mode):  # root could put a file in a device's place, too
        raise OSError(errno.EINVAL, "not a regular file")
    return stat.S_IMODE(mode)

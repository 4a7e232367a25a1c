"""A file that is whole or not there: written beside its place, and moved there when it is done."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path


def replace(path: str, text: str) -> None:
    """Put a file with `text` in the place of `path`; raises OSError, and leaves what is there."""
    if path.endswith(os.sep):
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
    place = Path(os.path.realpath(path))  # a link stays a link
    before = _found(place)
    # Not by tempfile, whose files nobody but their owner may read.
    temporary = place.with_name(f".probe-{os.urandom(8).hex()}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    try:
        with os.fdopen(os.open(temporary, flags, 0o600 if before else 0o666), "wb") as file:
            if before:  # who may read what is there may read what comes, and nobody else
                with suppress(PermissionError):
                    os.fchown(file.fileno(), before.st_uid, before.st_gid)
                os.fchmod(file.fileno(), stat.S_IMODE(before.st_mode))
            file.write(text.encode())
        temporary.replace(place)
    finally:
        temporary.unlink(missing_ok=True)


def _found(place: Path) -> os.stat_result | None:
    """What is in a place; None if nothing is."""
    try:
        found = place.stat()
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(found.st_mode):  # root could put a file in a device's place, too
        raise OSError(errno.EINVAL, "not a regular file")
    return found

"""A file that is whole or not there: written beside its place, and moved there when it is done."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def check_replaceable(path: Path) -> None:
    """Raise OSError when no file can be put in the place of `path`."""
    with _beside(path):
        pass


def replace(path: Path, text: str) -> None:
    """Put a file with `text` in the place of `path`; raises OSError, and leaves what is there."""
    with _beside(path) as (temporary, place):
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(place)


@contextmanager
def _beside(path: Path) -> Iterator[tuple[Path, Path]]:
    place = Path(os.path.realpath(path))  # a link stays a link
    with suppress(FileNotFoundError):
        if not stat.S_ISREG(place.stat().st_mode):  # root could put a file in a device's place, too
            raise OSError(errno.EINVAL, "not a regular file")
    # Not by tempfile, whose files nobody but their owner may read.
    temporary = place.with_name(f".probe-{os.urandom(8).hex()}")
    temporary.touch(exist_ok=False)
    try:
        yield temporary, place
    finally:
        temporary.unlink(missing_ok=True)

"""The report of a run: a file that is always whole, or stdout."""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from pathlib import Path

from probes.console.interrupts import finish
from probes.console.streams import give_up
from probes.console.terminal import complain
from probes.core.outcome import EXIT_WRITE_ERROR
from probes.core.text import quote

STDOUT = "-"


class ReportFile:
    """A report at a `path`, or none if that is None. `render` returns the report on the run so far.

    Once the report cannot be written, `exit_code` is not 0.
    """

    def __init__(self, path: str | None, render: Callable[[], str]) -> None:
        self.exit_code = 0
        self._path = path
        self._file = None if path == STDOUT else path
        self._render = render
        self._stdout = sys.stdout

    @contextmanager
    def lines_beside(self) -> Iterator[None]:
        """Send the lines of the block to stderr if the report goes to stdout."""
        with redirect_stdout(sys.stderr if self._path == STDOUT else self._stdout):
            yield

    @contextmanager
    def written(self) -> Iterator[None]:
        """Write the report after the block, however the block ends.

        A file is also written before the block, so that a run that is killed does not leave the
        report of an earlier run. If that fails, raises SystemExit.
        """
        self._replace()
        if self.exit_code:
            raise SystemExit(self.exit_code)
        try:
            yield
        except (
            OSError
        ):  # of an output without a reader; from now on a signal must not cost the report
            finish()
            raise
        finally:
            self._print() if self._path == STDOUT else self._replace()

    def refresh(self) -> None:
        """Write the report file of a run that goes on. The end of the run tells of an error."""
        if self._file is not None:
            with suppress(OSError):
                replace(self._file, self._render())

    def _print(self) -> None:
        try:
            print(self._render(), end="", file=self._stdout, flush=True)
        except OSError as error:
            self.exit_code = give_up(self._stdout, error)

    def _replace(self) -> None:
        if self._file is None:
            return
        try:
            replace(self._file, self._render())
        except OSError as error:
            hint = f"{STDOUT} would be stdout"
            complain(f"cannot write the report {quote(self._file)}: {error.strerror}; {hint}")
            self.exit_code = EXIT_WRITE_ERROR


def replace(path: str, text: str) -> None:
    """Put a file with `text` in place of `path`, whole or not at all; raises OSError."""
    if path.endswith(os.sep):
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
    place = Path(os.path.realpath(path))  # a link stays a link
    before = _found(place)
    # Not by tempfile, whose files only their owner may read.
    temporary = place.with_name(f".probe-{os.urandom(8).hex()}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    try:
        with os.fdopen(os.open(temporary, flags, 0o600 if before else 0o666), "wb") as file:
            if before:  # the readers of the old file may read the new one, and no others
                with suppress(PermissionError):
                    os.fchown(file.fileno(), before.st_uid, before.st_gid)
                os.fchmod(file.fileno(), stat.S_IMODE(before.st_mode))
            file.write(text.encode())
        temporary.replace(place)
    finally:
        temporary.unlink(missing_ok=True)


def _found(place: Path) -> os.stat_result | None:
    """Return the status of what is in a place, None if nothing is. Raises OSError."""
    try:
        found = place.stat()
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(found.st_mode):  # root could replace a device by a file, too
        raise OSError(errno.EINVAL, "not a regular file")
    return found

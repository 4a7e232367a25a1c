"""A copy of the project in which something is changed, and pytest run there: what fails?"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]

# What pytest says of a failed test, and what is left of a run that had to be ended.
FAILED, ENDED = 1, -signal.SIGKILL

# None is in the repository, and some are large.
IGNORED = (".git", ".venv", ".*_cache", ".hypothesis", "__pycache__", "*.egg-info", "build")


class Change(NamedTuple):
    """In a file, a text that it has once, and what takes its place."""

    file: str
    old: str
    new: str

    @classmethod
    def parse(cls, line: str) -> "Change":
        r"""The change that `file | old | new` stands for; `\n` begins a new line."""
        return cls(*(part.strip().replace("\\n", "\n") for part in line.split(" | ")))

    def text(self) -> str:
        """The whole file as it is after the change; ValueError where there is no such place."""
        return self._applied((ROOT / self.file).read_text())

    def apply(self, copy: Path) -> None:
        """Change the file in a copy."""
        file = copy / self.file
        file.write_text(self._applied(file.read_text()))

    def _applied(self, text: str) -> str:
        if text.count(self.old) != 1:
            raise ValueError(f"{self.file} has {text.count(self.old)} times: {self.old}")
        return text.replace(self.old, self.new)


def changed_copy(folder: Path, changes: Sequence[Change]) -> Path:
    """A copy of the project below a folder, with all changes made."""
    copy = shutil.copytree(ROOT, folder / "copy", ignore=shutil.ignore_patterns(*IGNORED))
    for change in changes:
        change.apply(copy)
    return copy


def run_pytest(copy: Path, *arguments: str, patience_s: float | None = None) -> tuple[int, str]:
    """Exit status and output of pytest in a copy, up to the first failure.

    Whatever it has started is ended with it, and itself when it takes longer than the patience.
    """
    command = [sys.executable, "-m", "pytest", "-x", "-p", "no:cacheprovider", *arguments]
    # Into a file, since a pipe would be kept open by a server that was left behind.
    with (
        tempfile.TemporaryFile("w+") as output,
        subprocess.Popen(
            command, cwd=copy, stdout=output, stderr=output, start_new_session=True
        ) as run,
    ):
        try:
            with suppress(subprocess.TimeoutExpired):
                run.wait(patience_s)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(run.pid, signal.SIGKILL)
        status = run.wait()
        output.seek(0)
        return status, output.read()

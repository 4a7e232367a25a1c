"""A run that leaves a report, whatever ended it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import TextIO

from probes.options import Parser
from probes.replacement import check_replaceable, replace
from probes.terminal import EXIT_WRITE_ERROR, complain, quote

STDOUT = "-"


def add_report(parser: Parser, option: str, about: str) -> None:
    """Add the option that asks for a report."""
    about = f"{about}; - is stdout, and then the lines go to stderr"
    parser.add_argument(option, metavar="FILE", help=about)


def reported(
    path: str | None,
    run: Callable[[], int],
    report: Callable[[], str],
    sum_up: Callable[[int], None],
) -> int:
    """Run, write the report if there is a `path` for one, and sum up; returns the exit code.

    That is the run's, unless the report cannot be written, which is tried before the run.
    """
    if not _is_writable(path):
        return EXIT_WRITE_ERROR
    stdout = sys.stdout
    with redirect_stdout(sys.stderr if path == STDOUT else stdout):
        try:
            exit_code = run()
        finally:
            is_written = _write(path, report, stdout)
        if not is_written:
            exit_code = EXIT_WRITE_ERROR
        sum_up(exit_code)
    return exit_code


def _is_writable(path: str | None) -> bool:
    return path in (None, STDOUT) or _succeeds(check_replaceable, path)


def _write(path: str | None, report: Callable[[], str], stdout: TextIO) -> bool:
    if path == STDOUT:
        print(report(), end="", file=stdout, flush=True)
    return path in (None, STDOUT) or _succeeds(replace, path, report())


def _succeeds(write: Callable[..., None], path: str, *text: str) -> bool:
    try:
        write(Path(path), *text)
    except OSError as error:
        complain(f"cannot write the report {quote(path)}: {error.strerror}")
        return False
    return True

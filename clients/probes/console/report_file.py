"""A run that leaves a report, whatever ended it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import redirect_stdout, suppress
from typing import TextIO

from probes.console.interrupts import finish
from probes.console.replacement import replace
from probes.console.terminal import complain, give_up
from probes.core.outcome import EXIT_WRITE_ERROR
from probes.core.text import quote

STDOUT = "-"


def reported(
    path: str | None,
    run: Callable[[], int],
    report: Callable[[], str],
    sum_up: Callable[[int], None],
) -> int:
    """Run, write the report if there is a `path` for one, and sum up; returns the exit code.

    That is the run's, unless the report cannot be written. A file is written before the run, too:
    a run that is killed must not leave the report of the one before it.
    """
    if path not in (None, STDOUT) and (error := _replace(path, report())):
        return error
    stdout = sys.stdout
    with redirect_stdout(sys.stderr if path == STDOUT else stdout):
        try:
            exit_code = run()
        except OSError:  # of an output that nobody reads; now a signal must not cost the report
            finish()
            raise
        finally:
            error = _write(path, report, stdout)
        exit_code = error or exit_code
        sum_up(exit_code)
    return exit_code


def refresh(path: str | None, report: Callable[[], str]) -> None:
    """Write the report of a run that goes on, if it is a file. One that cannot be written is told
    at the end, if it cannot be written then.
    """
    if path not in (None, STDOUT):
        with suppress(OSError):
            replace(path, report())


def _write(path: str | None, report: Callable[[], str], stdout: TextIO) -> int:
    if path is None:
        return 0
    return _print(report(), stdout) if path == STDOUT else _replace(path, report())


def _print(text: str, stdout: TextIO) -> int:
    try:
        print(text, end="", file=stdout, flush=True)
    except OSError as error:
        return give_up(stdout, error)
    return 0


def _replace(path: str, text: str) -> int:
    try:
        replace(path, text)
    except OSError as error:
        hint = f"{STDOUT} would be stdout"
        complain(f"cannot write the report {quote(path)}: {error.strerror}; {hint}")
        return EXIT_WRITE_ERROR
    return 0

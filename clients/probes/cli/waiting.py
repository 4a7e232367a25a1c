"""Trying again until a service is there, or is gone: `--wait`."""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from typing import TypeVar

from probes.cli.options import Parser, seconds
from probes.core.outcome import Outcome

T = TypeVar("T")

# Short enough to lose no time on what starts quickly, and soon long enough to be no burden on what
# does not.
FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 2.0


def add_wait(parser: Parser) -> None:
    """Add the option."""
    parser.add_argument(
        "--wait",
        metavar="S",
        type=seconds,
        help="try again until the outcome is as expected, for so many seconds (default: try once)",
    )


def least_s(options: argparse.Namespace) -> float:
    """How many seconds each try must have: what we cut short has not timed out."""
    is_timeout_expected = Outcome.TIMEOUT in options.expect
    return float(options.timeout) if is_timeout_expected else FIRST_PAUSE_S


def until_met(
    attempt: Callable[[float], T],
    is_met: Callable[[T], bool],
    wait_s: float | None,
    least_s: float = FIRST_PAUSE_S,
) -> T:
    """Make tries until one is met or `wait_s` are over, and return the last; one if it is None.

    `attempt` is told how many seconds it may take, never less than `least_s`. Pauses double, but
    none is longer than half of what is left, so that tries are made until the end.
    """
    if wait_s is None:
        return attempt(math.inf)
    end = time.monotonic() + wait_s
    pause = FIRST_PAUSE_S
    while True:
        tried = attempt(max(end - time.monotonic(), least_s))
        left = end - time.monotonic()
        if is_met(tried) or left < 2 * FIRST_PAUSE_S:
            return tried
        time.sleep(min(pause, left / 2))
        pause = min(2 * pause, LONGEST_PAUSE_S)

"""What all command lines share. A usage error is one line and exit code 2."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable, Iterable
from functools import partial
from importlib import import_module
from typing import Any, NoReturn

from probes import __version__
from probes.console.terminal import columns, complain
from probes.core.outcome import PROBE_OUTCOMES, Outcome
from probes.core.target import AddressError, Family, Target, parse_target
from probes.core.text import quote

Common = tuple[Target, Family, float, tuple[Outcome, ...]]

DEFAULT_TIMEOUT_S = 10.0
# A day: longer than any exchange, and short enough for every clock and timeout of the system.
MAX_DURATION_S = 86400.0
MAX_MESSAGE_CHARS = 500
MAX_COUNT = 1_000_000
DEFAULT_SIZE_BYTES = 512
DEFAULT_INTERVAL_S = 1.0

# float() and int() also take `nan`, `1_0`, `1e5` and full-width digits.
SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?|\.[0-9]{1,9}")
WHOLE_NUMBER = re.compile(r"[0-9]{1,12}")
COLUMNS = re.compile(r"[1-9][0-9]{0,3}")


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one escaped line that begins with USAGE.

    Abbreviated options are refused: a script's `--time` would change its meaning with the next
    option that begins so. A `module` with the options of a command is imported only if the command
    is chosen.
    """

    def __init__(self, module: str = "", **kwargs: Any) -> None:
        self._module = module
        # Otherwise argparse imports shutil, which is slow, and reads COLUMNS by int().
        layout = partial(argparse.RawDescriptionHelpFormatter, width=help_width())
        super().__init__(allow_abbrev=False, formatter_class=layout, **kwargs)
        self.add_argument("--version", action="version", version=f"{self.prog} {__version__}")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """Refuse what is unknown, in the name of the command that does not know it."""
        if self._module:
            import_module(f"probes.cli.{self._module}").configure(self, self.prog.split()[-1])
        known, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return known, unknown

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and exit."""
        hint = f"see {self.prog} --help"
        line = f"{Outcome.USAGE.name} {self.prog}: {message[:MAX_MESSAGE_CHARS]}; {hint}"
        complain(line, Outcome.USAGE)
        self.exit(Outcome.USAGE.exit_code)


def help_width() -> int:
    """Return the width of help texts, from COLUMNS or the terminal; two columns stay free."""
    asked = os.environ.get("COLUMNS", "")
    return (int(asked) if COLUMNS.fullmatch(asked) else columns(sys.stdout)) - 2


def add_connection_options(
    parser: Parser, bounded: str = "look-up, connect and answer together"
) -> None:
    """Add the target, how to reach it, and how long what is `bounded` may take."""
    parser.add_argument(
        "target", metavar="host:port", type=target, help="a name, an IPv4 or an [IPv6] address"
    )
    parser.add_argument(
        "--timeout",
        metavar="S",
        type=seconds,
        default=DEFAULT_TIMEOUT_S,
        help=f"seconds for {bounded} (default: %(default)g)",
    )
    family = parser.add_mutually_exclusive_group()
    parser.set_defaults(family=Family.ANY, expect=())
    family.add_argument(
        "-4", dest="family", action="store_const", const=Family.IPV4, help="IPv4 only"
    )
    family.add_argument(
        "-6", dest="family", action="store_const", const=Family.IPV6, help="IPv6 only"
    )


def probe_options(parsed: argparse.Namespace) -> Common:
    """Return the first fields of every kind of ProbeOptions."""
    return parsed.target, parsed.family, parsed.timeout, parsed.expect


def add_expectation(parser: Parser, possible: Iterable[Outcome] = PROBE_OUTCOMES) -> None:
    """Add which of the `possible` outcomes are good."""
    parser.add_argument(
        "--expect",
        metavar="WORD[,WORD]",
        type=outcomes(possible),
        default=(),
        help="outcomes that make it OK; any other is WRONG",
    )


def add_wait(parser: Parser) -> None:
    """Add how long the outcome that is expected is waited for."""
    parser.add_argument(
        "--wait",
        metavar="S",
        type=seconds,
        help="try again until the outcome is as expected, for so many seconds (default: try once)",
    )


def add_pace(parser: Parser, count: int | None) -> None:
    """Add how many attempts are made, by default `count` or without end, and how fast."""
    parser.add_argument(
        "--count",
        metavar="N",
        type=whole_number(1, MAX_COUNT),
        default=count,
        help=f"how many tries (default: {count or 'until stopped'})",
    )
    parser.add_argument(
        "--interval",
        metavar="S",
        type=seconds,
        default=DEFAULT_INTERVAL_S,
        help="seconds from the start of a try to that of the next (default: %(default)g)",
    )


def add_json(parser: Parser) -> None:
    """Add the choice of JSON lines."""
    parser.add_argument("--json", action="store_true", help="one JSON object per line")


def add_report(parser: Parser, option: str, about: str) -> None:
    """Add the option that asks for a report."""
    about = f"{about}; - is stdout, and then the lines go to stderr"
    parser.add_argument(option, metavar="FILE", help=about)


def target(text: str) -> Target:
    """An address as argparse wants it parsed."""
    try:
        return parse_target(text)
    except AddressError as error:
        raise argparse.ArgumentTypeError(f"{error}: {quote(text)}") from None


def outcomes(possible: Iterable[Outcome]) -> Callable[[str], tuple[Outcome, ...]]:
    """A parser of some of the `possible` words for outcomes, between commas."""
    # What the command line itself comes to cannot be expected of a service.
    words = {each.name: each for each in possible if each is not Outcome.USAGE}

    def parse(text: str) -> tuple[Outcome, ...]:
        try:
            return tuple(dict.fromkeys(words[word] for word in text.split(",")))
        except KeyError as unknown:
            known = ", ".join(words)
            message = f"must be of {known}: {quote(unknown.args[0])}"
            raise argparse.ArgumentTypeError(message) from None

    return parse


def seconds(text: str) -> float:
    """A duration: plain decimal seconds, above zero and at most a day."""
    if SECONDS.fullmatch(text) and 0 < float(text) <= MAX_DURATION_S:
        return float(text)
    raise argparse.ArgumentTypeError(
        f"must be seconds above 0, at most {MAX_DURATION_S:g}: {quote(text)}"
    )


def whole_number(least: int, most: int) -> Callable[[str], int]:
    """A parser of whole numbers from `least` to `most`."""

    def parse(text: str) -> int:
        if WHOLE_NUMBER.fullmatch(text) and least <= int(text) <= most:
            return int(text)
        raise argparse.ArgumentTypeError(
            f"must be a whole number from {least} to {most}: {quote(text)}"
        )

    return parse

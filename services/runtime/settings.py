"""The settings: one table, read once from flags and environment into an immutable object.

A row of the table is an attribute of `Settings` or of a service's subclass: name, default,
parser, help. `idle_timeout` is the flag `--idle-timeout` and the variable
`SERVE_IDLE_TIMEOUT`. A flag beats the environment, which beats the default.

The prefix is not the service's name, because Kubernetes sets `ECHO_PORT=tcp://...` in every
pod beside a Service called echo.
"""

import argparse
import os
import select
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, NoReturn, TypeVar, cast

from runtime.logs import LEVELS
from runtime.parsers import address, seconds, switch, text_of, whole

PREFIX = "SERVE_"

T = TypeVar("T")


class BadSetting(Exception):
    """A setting that cannot be used: one line that names it and its value."""


class Setting(NamedTuple):
    """A row of the table. `parse` raises ValueError with the rule that the text breaks."""

    default: Any
    parse: Callable[[str], Any]
    help: str
    fallback: str | None  # a variable outside the prefix that gives the default
    is_switch: bool


def setting(default: T, parse: Callable[[str], T], help: str, *, fallback: str | None = None) -> T:
    """A row, typed as the value it becomes: an instance holds values where the class has rows."""
    return cast(T, Setting(default, parse, help, fallback, isinstance(default, bool)))


def port_number(default: int) -> int:
    """The row of the port, whose default each service has of its own."""
    return setting(default, whole(0, 65535), "port to bind; 0 lets the system choose")


class Settings:
    """What both services can be told."""

    host = setting("", address, "address to bind; empty is every interface of the family")
    port = port_number(0)
    family = setting("any", text_of("any", "4", "6"), "any (IPv6 and IPv4), 4 or 6")
    model = setting(
        "evented" if hasattr(select, "epoll") else "threaded",
        text_of("evented", "threaded", "iterative"),
        "how callers are served at once: evented, threaded, or iterative (one by one)",
    )
    workers = setting(
        1, whole(1, 256), "processes that share the callers; above 1 only with --model evented"
    )
    max_connections = setting(
        10_000, whole(1, 1_000_000), "callers at once; more wait in the backlog"
    )
    drain_timeout = setting(
        10.0, seconds, "seconds that open connections may take to finish after SIGTERM"
    )
    drain_delay = setting(
        0.0, seconds, "seconds to go on accepting after SIGTERM, while /readyz says 503"
    )
    udp = setting(False, switch, "answer datagrams too")
    udp_rate = setting(
        1000,
        whole(0, 1_000_000),
        "datagrams a second from one source, and ten times that in all, for each worker; "
        "0 is no limit",
    )
    admin_port = setting(0, whole(0, 65535), "port of /livez, /readyz and /metrics; 0 is none")
    log_level = setting("info", text_of(*LEVELS), "the least level that is logged")

    def __init__(self, values: Mapping[str, object]) -> None:
        vars(self).update(values)
        if self.model == "evented" and not hasattr(select, "epoll"):
            raise BadSetting("--model evented: this system has no epoll")
        if self.workers > 1 and (self.model != "evented" or sys.platform != "linux"):
            raise BadSetting(f"--workers {self.workers}: needs --model evented, and Linux")
        if self.host and self.family != "any" and (":" in self.host) != (self.family == "6"):
            raise BadSetting(f"--host {self.host}: is not an IPv{self.family} address")
        if self.udp and sys.platform != "linux":
            raise BadSetting("--udp: needs Linux, to answer from the address that was asked")
        if self.admin_port == self.port != 0:
            raise BadSetting(f"--admin-port {self.admin_port}: is the port of the service")

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"settings are immutable: {name}")

    @classmethod
    def rows(cls) -> dict[str, Setting]:
        """The table of this class and those it derives from, by name."""
        classes = reversed(cls.__mro__)
        attributes = {name: row for each in classes for name, row in vars(each).items()}
        return {name: row for name, row in attributes.items() if isinstance(row, Setting)}


S = TypeVar("S", bound=Settings)


def parse(
    kind: type[S], prog: str, version: str, argv: Sequence[str], environ: Mapping[str, str]
) -> tuple[S, bool]:
    """The settings, and whether `--check` is given. Raises BadSetting; `--help` exits."""
    rows = kind.rows()
    arguments = vars(_parser(rows, prog, version).parse_args(argv))
    _refuse_unknown_variables(rows, environ)
    values = {name: _value(name, row, arguments[name], environ) for name, row in rows.items()}
    return kind(values), arguments["check"]


def _value(name: str, row: Setting, argument: str | None, environ: Mapping[str, str]) -> object:
    sources = {_flag(name): argument, _variable(name): environ.get(_variable(name))}
    if row.fallback:
        # Set but empty means what POSIX says of TZ: the default.
        sources[row.fallback] = environ.get(row.fallback) or None
    for source, text in sources.items():
        if text is not None:
            try:
                return row.parse(text)
            except ValueError as error:
                raise BadSetting(f"{source} {_quoted(text)}: {error}") from None
    return row.default


def _parser(rows: Mapping[str, Setting], prog: str, version: str) -> argparse.ArgumentParser:
    parser = _Parser(
        prog=prog,
        allow_abbrev=False,
        formatter_class=_Formatter,
        description=f"Each flag is also a variable: --log-level is {PREFIX}LOG_LEVEL. "
        "Exit status: 0 after an orderly stop, 1 cannot start (or stopped twice), 2 bad settings.",
    )
    for name, row in rows.items():
        if row.is_switch:
            parser.add_argument(_flag(name), action="store_const", const="1", help=row.help)
            parser.add_argument(_flag("no_" + name), action="store_const", const="0", dest=name)
        else:
            default = "empty" if row.default == "" else f"{row.default}".removesuffix(".0")
            shown = f"{row.help} ({row.fallback or default})"
            parser.add_argument(_flag(name), metavar="X", help=shown)
    parser.add_argument("--check", action="store_true", help="ask the running server, exit 0 or 1")
    parser.add_argument("--version", action="version", version=f"{prog} {version}")
    return parser


class _Formatter(argparse.HelpFormatter):
    """Each option that is added makes one, and asks shutil for the terminal's width: a dear import.

    Who sets COLUMNS gets that width, as with argparse's own.
    """

    def __init__(self, prog: str) -> None:
        columns = os.environ.get("COLUMNS", "")
        super().__init__(prog, width=(int(columns) if columns.isdecimal() else 80) - 2)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Raise what is wrong, instead of printing it below a usage text."""
        raise BadSetting(_escaped(message))


def _refuse_unknown_variables(rows: Mapping[str, Setting], environ: Mapping[str, str]) -> None:
    known = [_variable(name) for name in rows]
    for name in environ:
        if name.startswith(PREFIX) and name not in known:
            import difflib  # for this error only, and dear

            near = difflib.get_close_matches(name, known, n=1, cutoff=0.75)
            hint = "".join(f"; the nearest known one is {each}" for each in near)
            raise BadSetting(f"{_escaped(name)}: unknown setting{hint}")


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _variable(name: str) -> str:
    return PREFIX + name.upper()


def _quoted(text: str) -> str:
    """Text as it can stand in a message: on one line, and not the longest line of all."""
    shown = _escaped(text)
    return (shown if len(shown) <= 80 else shown[:77] + "...") or "(empty)"


def _escaped(text: str) -> str:
    return text.encode("unicode_escape").decode("ascii")

"""The settings: one table, read once from flags and environment into an immutable object.

A row of the table is an attribute of `Settings` or of a service's subclass: name, default,
parser, help. `idle_timeout` is the flag `--idle-timeout` and the variable
`SERVE_IDLE_TIMEOUT`. A flag beats the environment, which beats the default.

The prefix is not the service's name, because Kubernetes sets `ECHO_PORT=tcp://...` in every
pod beside a Service called echo.
"""

import argparse
import os
import re
import select
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, NoReturn, TypeVar, cast

from runtime.log import LEVELS
from runtime.validators import address, seconds, switch, text_of, whole

PREFIX = "SERVE_"

# What Kubernetes, and Docker's --link, set for a Service whose name begins with "serve": only a
# port's own variable can also be one of ours.
_LINK = re.compile(
    r"(SERVE(?:_\w+?)?)_(?:SERVICE_(?:HOST|PORT)|PORT_[0-9]+_(?:TCP|UDP|SCTP))(?:_|$)"
)
_LINK_PORT = re.compile(r"(SERVE(?:_\w+)?)_PORT$")

MAX_SHOWN = 80  # characters of a foreign text in a message

T = TypeVar("T")


class BadSetting(Exception):
    """A setting that cannot be used: one line that names it and its value."""


class Variable(NamedTuple):
    """A variable, and the parser of its text."""

    name: str
    parse: Callable[[str], Any]


class Setting(NamedTuple):
    """A row of the table. `parse` raises ValueError, which says what to write instead."""

    default: Any
    parse: Callable[[str], Any]
    help: str
    fallback: Variable | None  # outside the prefix; gives the default
    is_switch: bool


def setting(
    default: T, parse: Callable[[str], T], help: str, *, fallback: Variable | None = None
) -> T:
    """A row, typed as the value it becomes: an instance holds values where the class has rows."""
    return cast(T, Setting(default, parse, help, fallback, isinstance(default, bool)))


def port_number(default: int) -> int:
    """The row of the port, whose default each service has of its own."""
    return setting(default, whole(0, 65535), "port to bind; 0 lets the system choose")


class Settings:
    """The settings of both services."""

    host = setting("", address, "address to bind; empty is every interface of the family")
    port = port_number(0)
    family = setting("any", text_of("any", "4", "6"), "any (IPv6 and IPv4), 4 or 6")
    model = setting(
        "evented" if hasattr(select, "epoll") else "threaded",
        text_of("evented", "threaded", "iterative"),
        "concurrency: evented (one event loop), threaded (one thread per connection) or iterative",
    )
    workers = setting(
        1, whole(1, 256), "processes that share the connections; above 1 only with --model evented"
    )
    max_connections = setting(
        10_000, whole(1, 1_000_000), "open connections; more wait in the backlog"
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
            raise BadSetting(f"--host {self.host}: must be an IPv{self.family} address (--family)")
        if self.udp and sys.platform != "linux":
            raise BadSetting("--udp: needs Linux, to answer from the address that was asked")
        if self.admin_port == self.port != 0:
            raise BadSetting(f"--admin-port {self.admin_port}: must not be that of --port")

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
    _refuse_links(environ)
    _refuse_unknown_variables(rows, environ)
    values = {name: _value(name, row, arguments[name], environ) for name, row in rows.items()}
    return kind(values), arguments["check"]


def _value(name: str, row: Setting, argument: str | None, environ: Mapping[str, str]) -> object:
    if argument is not None:
        return _parsed(_flag(name), argument, row.parse)
    own = Variable(_variable(name), row.parse)
    for variable in (own, row.fallback) if row.fallback else (own,):
        # Lines of an env file may be empty after the `=`, or end in CR LF.
        text = environ.get(variable.name, "").removesuffix("\r")
        if text:
            return _parsed(variable.name, text, variable.parse)
    return row.default


def _parsed(source: str, text: str, parse: Callable[[str], object]) -> object:
    try:
        if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
            raise ValueError(f"must be written without quotes: {_shown(text[1:-1])}")
        return parse(text)
    except ValueError as error:
        raise BadSetting(f"{source} {_shown(text)}: {error}") from None


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
            shown = f"{row.help} ({row.fallback.name if row.fallback else default})"
            parser.add_argument(_flag(name), metavar="X", help=shown)
    parser.add_argument("--check", action="store_true", help="ask the running server, exit 0 or 1")
    parser.add_argument("--version", action="version", version=f"{prog} {version}")
    return parser


class _Formatter(argparse.HelpFormatter):
    """Pass the width explicitly: argparse would import shutil for it, which slows every start.

    Who sets COLUMNS gets that width, as with argparse's own.
    """

    def __init__(self, prog: str) -> None:
        try:
            columns = whole(1, 9999)(os.environ.get("COLUMNS", ""))
        except ValueError:
            columns = 80
        super().__init__(prog, width=columns - 2)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Raise what is wrong, instead of printing it below a usage text."""
        raise BadSetting(_shown(message, 2 * MAX_SHOWN))


def _refuse_links(environ: Mapping[str, str]) -> None:
    for name, text in environ.items():
        link = _LINK.match(name) or ("://" in text and _LINK_PORT.match(name))
        if link:
            service = link[1].lower().replace("_", "-")
            raise BadSetting(
                f"{_shown(name)} {_shown(text)}: set by Kubernetes for the Service "
                f"{_shown(service)}; write `enableServiceLinks: false` into the pod's spec"
            )


def _refuse_unknown_variables(rows: Mapping[str, Setting], environ: Mapping[str, str]) -> None:
    known = [_variable(name) for name in rows]
    for name in environ:
        if name.startswith(PREFIX) and name not in known:
            import difflib  # for this error only: it slows a start

            near = difflib.get_close_matches(name, known, n=1, cutoff=0.75)
            hint = "".join(f"; the nearest known one is {each}" for each in near)
            raise BadSetting(f"{_shown(name)}: unknown setting{hint}")


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _variable(name: str) -> str:
    return PREFIX + name.upper()


def _shown(text: str, most: int = MAX_SHOWN) -> str:
    """Return text as it can stand in a message: on one line, escaped and bounded."""
    shown = text.encode("unicode_escape").decode("ascii")
    return (shown if len(shown) <= most else shown[: most - 3] + "...") or "(empty)"

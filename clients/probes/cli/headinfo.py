"""headinfo: ask for the head of an HTTP resource and show it."""

from __future__ import annotations

import argparse
import re
import sys
from functools import partial

from probes.cli.options import (
    Parser,
    add_connection_options,
    add_expectation,
    add_wait,
    probe_options,
)
from probes.console.terminal import complain, show_json
from probes.core.outcome import Outcome, outcome_table
from probes.core.result import Result
from probes.core.text import escape_lines, quote
from probes.protocols.http import HeadOptions, Reply, request_head
from probes.protocols.repeat import shortest_attempt_s, until_met

# What RFC 9112 section 3 wants every server to take in a request line.
MAX_OPTION_CHARS = 8000
# Neither a space, which would end the path early, nor CR or LF, which would begin a new field.
VISIBLE_ASCII = re.compile(rf"[!-~]{{1,{MAX_OPTION_CHARS}}}")

EPILOG = f"""\
outcomes and exit codes:
{outcome_table(Outcome)}

The head goes to stdout whatever its status code, and so do the bytes of a reply without a status
line. Failures and warnings are single lines on stderr. Ctrl-C, SIGTERM or SIGHUP exits with 130.

With --expect the outcomes that it names are OK, and any other is WRONG; a line on stderr says which
it was. With --wait only the last try is shown; where TIMEOUT is expected each has all of --timeout.

examples:
  headinfo www.example.org:80 --host-header www.example.org
  headinfo '[::1]:8080' --path /healthz --json
  headinfo localhost:8080 --wait 30 --expect OK,HTTP09
"""


def parser() -> Parser:
    """Return the parser of the command line. `run` of what it parses does the work."""
    parser = Parser(
        prog="headinfo",
        description="Send HEAD to host:port as HTTP/1.0 and show the head of the reply.",
        epilog=EPILOG,
    )
    add_connection_options(parser)
    add_expectation(parser, Outcome)
    add_wait(parser)
    parser.add_argument(
        "--path", metavar="P", type=path, default="/", help="what to ask for (default: /)"
    )
    parser.add_argument(
        "--host-header", metavar="H", type=visible, help="add a Host field (default: none)"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="one JSON object on stdout, always")
    form.add_argument("--raw", action="store_true", help="the bytes as they came, not escaped")
    parser.set_defaults(run=run)
    return parser


def visible(text: str) -> str:
    """A part of the request: visible ASCII, not empty, within what every server takes."""
    if VISIBLE_ASCII.fullmatch(text):
        return text
    raise argparse.ArgumentTypeError(
        f"must be 1 to {MAX_OPTION_CHARS} visible ASCII characters without spaces: {quote(text)}"
    )


def path(text: str) -> str:
    """A request target: an absolute path, or the asterisk that stands for the whole server."""
    if text == "*" or visible(text).startswith("/"):
        return text
    raise argparse.ArgumentTypeError(f"must begin with a slash: {quote(text)}")


def run(parsed: argparse.Namespace) -> int:
    """Ask until the result is as expected, and show it; returns the exit code."""
    options = HeadOptions(*probe_options(parsed), parsed.path, parsed.host_header)
    shortest_s = shortest_attempt_s(options.expected, options.timeout_s)
    result, reply = until_met(
        partial(request_head, options), lambda asked: asked[0].is_ok, parsed.wait, shortest_s
    )
    if parsed.json:
        show_json("head", result.ended, facts(result, reply))
    else:
        show_text(result, reply, raw=parsed.raw)
    return result.outcome.exit_code


def facts(result: Result, reply: Reply) -> dict[str, object]:
    """The JSON object's members. `head` or `body` is null when there is none.

    Bytes from the peer are ISO-8859-1 text, a character for every byte.
    """
    head = reply.head
    parts = head and {
        "version": head.version,
        "status": head.status,
        "reason": head.reason,
        "fields": head.fields,
        "interim": head.interim,
    }
    body = reply.body.decode("latin-1") or None
    return {**result.facts(), "head": parts, "body": body, "warnings": reply.warnings}


def show_text(result: Result, reply: Reply, *, raw: bool) -> None:
    """Data to stdout; warnings, and whatever is not just OK, to stderr."""
    received = reply.head.raw if reply.head else reply.body
    if raw:
        sys.stdout.buffer.write(received)
        sys.stdout.flush()
    elif received:
        print(escape_lines(received), flush=True)
    for warning in reply.warnings:
        complain(f"warning: {warning}")
    if result.expected or result.outcome is not Outcome.OK:
        complain(result.line(), result.outcome)

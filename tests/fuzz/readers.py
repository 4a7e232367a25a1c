"""What is fuzzed: `-m fuzz.readers NAME CORPUS` and libFuzzer's options run one for ever.

What must hold is said in the tests alone: each reader here hands the fuzzer's bytes to a property
that Hypothesis checks with bytes of its own.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import atheris

with atheris.instrument_imports(include=["probes"]):
    from unit.clients import test_daytime_line, test_exchanges, test_http_head, test_target


def read_address(data: bytes) -> None:
    """A text is a target that prints as it came, or an AddressError."""
    check(test_target.test_target_or_error, data.decode("latin-1"))


def read_head(data: bytes) -> None:
    """A response is the same head or typed error, whole, byte by byte, or cut at every 0xff."""
    check(test_http_head.test_any_split_reads_the_same, data.split(b"\xff"))


def read_daytime(data: bytes) -> None:
    """A reply is a line or a Failure, and a line is a reading with a skew, or none."""
    check(test_exchanges.test_daytime_line_or_failure, data)
    check(test_daytime_line.test_reading_or_none, data.decode("latin-1").rstrip("\r\n"), 0.0, 1.0)


def check(test: Any, *arguments: object) -> None:
    """Call a test of Hypothesis with arguments of ours."""
    test.hypothesis.inner_test(*arguments)


# With inputs to begin from, so that the time goes into what is near to good ones.
READERS = {
    "address": (read_address, [b"localhost:80", b"127.0.0.1:1200", b"[fe80::1%eth0]:65535"]),
    "head": (
        read_head,
        [
            b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n",
            b"HTTP/1.0 200 OK\r\nA: b\xff\r\n \tc\r\n\r\nbody",
        ],
    ),
    "daytime": (
        read_daytime,
        [
            b"Sun Aug 29 17:25:19 +0530 2010 web-1\r\n",
            b"Sunday, August 29, 2010 17:25:19-EST\r\n",
            b"2010-08-29T17:25:19-05:00\r\n",
        ],
    ),
}


def fuzz(name: str, corpus: str, *options: str) -> None:
    """Fuzz one reader until libFuzzer ends the process."""
    reader, seeds = READERS[name]
    for number, seed in enumerate(seeds):
        (Path(corpus) / f"seed-{number}").write_bytes(seed)
    atheris.Setup([name, *options, corpus], reader)
    atheris.Fuzz()


if __name__ == "__main__":
    fuzz(*sys.argv[1:])

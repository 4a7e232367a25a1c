"""Log lines: what they say, and that nothing can stop the service through them."""

import contextlib
import json
import os
import pty
import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from children import running
from server_process import PYTHON, Serve, environment, listening_port, receive_all, wait_until


def test_a_finished_connection_is_one_line(serve: Serve, model: str) -> None:
    """A line tells who called, how much moved, how long it took and how it ended."""
    server = serve("echo", "--model", model)
    with server.connect() as caller:
        caller.sendall(b"12345")
        assert caller.recv(5) == b"12345"
        host, port = caller.getsockname()
    (line,) = server.connections(1)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("time"))
    assert line.pop("milliseconds") >= 0
    assert line == {
        "level": "info",
        "event": "connection",
        "service": "echo",
        "peer": f"{host}:{port}",
        "bytes_in": 5,
        "bytes_out": 5,
        "ended": "done",
    }


@pytest.mark.fault("bytes that would forge a log line or an escape sequence")
def test_payload_is_never_logged(serve: Serve, model: str) -> None:
    """Whatever a caller sends, it can forge no line: every line parses and none has it."""
    server = serve("echo", "--model", model, "--log-level", "debug")
    with server.connect() as caller:
        caller.sendall(b'\n{"level":"error"}\x1b[2J\n')
        caller.recv(64)
    server.connections(1)
    assert server.stop() == 0
    assert "[2J" not in json.dumps(server.lines) + server.stderr
    assert {line["level"] for line in server.lines} == {"info"}


def test_the_level_is_a_setting() -> None:
    """At `warning` an orderly life leaves no line."""
    command = [PYTHON, "-m", "echo", "--port", "0", "--log-level", "warning"]
    output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with running(command, env=environment(), **output) as process:
        wait_until(lambda: listening_port(process.pid), "the listener")
        process.terminate()
        assert process.communicate(timeout=20)[0] == b""


@pytest.mark.fault("a log that is not read")
def test_nobody_reads_the_log(model: str) -> None:
    """A full pipe drops lines, which are counted, and the service goes on."""
    reader, writer = os.pipe()
    with log_to(writer, "--model", model) as (process, port):
        os.close(writer)
        call(port, 600)
        with os.fdopen(reader) as log:
            lines = [json.loads(next(log)) for _ in range(200)]
            call(port, 1)
            process.terminate()
            lines += [json.loads(line) for line in log]
    dropped = [line["lines"] for line in lines if line["event"] == "lines dropped"]
    told = [line for line in lines if line["event"] == "connection"]
    assert len(dropped) == 1
    assert len(told) + dropped[0] == 601


@pytest.mark.fault("the reader of the log exits")
def test_the_reader_of_the_log_goes_away(model: str) -> None:
    """A log pipe whose reader has ended does not end the service."""
    reader, writer = os.pipe()
    with log_to(writer, "--model", model) as (_, port):
        os.close(writer)
        os.close(reader)
        call(port, 10)


@pytest.mark.fault("a log that cannot be written")
@pytest.mark.parametrize("redirection", [">&-", "2>&-", "<&- >&- 2>&-", ">/dev/full"])
def test_the_log_cannot_be_written(redirection: str) -> None:
    """A closed or full standard stream does not keep the service from serving."""
    command = f"exec {PYTHON} -m daytime --port 0 {redirection}"
    with running(["sh", "-c", command], env=environment()) as process:
        call(wait_until(lambda: listening_port(process.pid), "the listener"), 3)
        process.terminate()
        assert process.wait(20) == 0


def test_a_terminal_gets_text() -> None:
    """Where a person watches, a line is text that starts with the time."""
    ours, theirs = pty.openpty()
    with log_to(theirs) as (_, port):
        os.close(theirs)
        call(port, 1)
    text = b""
    with contextlib.suppress(OSError):  # how a terminal ends
        while data := os.read(ours, 65_536):
            text += data
    os.close(ours)
    lines = text.decode().splitlines()
    assert [line.split()[1:3] for line in lines] == [
        ["info", "ready"],
        ["info", "connection"],
        ["info", "stopped"],
    ]


def test_nobody_reads_the_terminal(model: str) -> None:
    """A terminal that nobody reads takes no more lines, and the service goes on and ends."""
    ours, theirs = pty.openpty()
    with log_to(theirs, "--model", model) as (_, port):
        os.close(theirs)
        call(port, 300)
    os.close(ours)


@contextmanager
def log_to(stdout: int, *flags: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A daytime server that logs to a descriptor: the process, and its port; ends well."""
    command = [PYTHON, "-m", "daytime", "--port", "0", *flags]
    with running(command, env=environment(), stdout=stdout) as process:
        yield process, wait_until(lambda: listening_port(process.pid), "the listener")
        process.terminate()
        assert process.wait(20) == 0


def call(port: int, times: int) -> None:
    """Ask for the time, so many times one after the other."""
    for _ in range(times):
        with socket.create_connection(("127.0.0.1", port), 20) as caller:
            assert receive_all(caller)

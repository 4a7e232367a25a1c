"""The load generator against our servers, and against servers that answer wrong."""

import json
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from children import running
from compiler import load_generator
from server_process import PATIENCE_S, ServerProcess

LINE = b"Sun Aug 29 17:25:19 UTC 2010\r\n"


@pytest.fixture
def program() -> Path:
    """The load generator."""
    return load_generator()


def run(program: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run it to its end; it has nothing to wait for after its result."""
    command = [str(program), *map(str, arguments)]
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE_S
    )


def measured(program: Path, *arguments: object) -> dict[str, Any]:
    """What it measures, in one line of JSON."""
    done = run(program, *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    [line] = done.stdout.splitlines()
    return dict(json.loads(line))


@contextmanager
def answering(answer: Callable[[socket.socket], None], kind: socket.SocketKind) -> Iterator[int]:
    """A server that has each caller, or its UDP socket, answered by a function; its port."""
    with socket.socket(socket.AF_INET, kind) as listener:
        listener.bind(("127.0.0.1", 0))

        def serve() -> None:
            with suppress(OSError):
                while kind == socket.SOCK_STREAM:
                    with listener.accept()[0] as caller:
                        answer(caller)
                answer(listener)

        if kind == socket.SOCK_STREAM:
            listener.listen()
        server = threading.Thread(target=serve)
        server.start()
        yield listener.getsockname()[1]
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
    server.join(PATIENCE_S)
    assert not server.is_alive()


@pytest.mark.parametrize("size", [8, 64, 100_000])
def test_echo(program: Path, size: int) -> None:
    """Every message comes back, and the server's processor time is part of the time it took."""
    with ServerProcess("echo", "--log-level", "info") as server:
        options = ["-n", 4, "-s", size, "-w", 0.05, "-d", 0.2, "-p", server.process.pid]
        found = measured(program, "echo", server.port, *options)
        lines = server.connections(4)
    assert found["connections"] == 4
    assert found["messages"] > 0
    assert found["bytes"] == found["messages"] * size
    assert sum(line["bytes_in"] for line in lines) >= found["bytes"] + 4 * size
    assert all(line["bytes_in"] == line["bytes_out"] for line in lines)
    assert 0 < found["cpu_us"] < found["seconds"] * 1e6
    assert 0 < found["p50_us"] <= found["p99_us"] < PATIENCE_S * 1e6


def test_bulk(program: Path) -> None:
    """One connection gets back all that it sends."""
    with ServerProcess("echo") as server:
        found = measured(program, "bulk", server.port, "-w", 0.05, "-d", 0.2)
        [line] = server.connections(1)
    assert found["messages"] == found["bytes"] >> 20 > 0
    assert line["bytes_in"] == line["bytes_out"] > found["bytes"]


def test_connections_stay_open_until_the_input_ends(program: Path) -> None:
    """Idle ones can be looked at: the result is there while the server still has them all."""
    with ServerProcess("echo") as server:
        measured(program, "echo", server.port, "-w", 0, "-d", 0)
        server.connections(1)
        before = server.descriptors()
        command = [str(program), "echo", f"{server.port}", "-n50", "-w0", "-d0"]
        with running(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdin
            assert process.stdout
            assert json.loads(process.stdout.readline())["connections"] == 50
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.2)
            assert server.descriptors() == before + 50
            process.stdin.close()
            assert process.wait(PATIENCE_S) == 0
        assert len(server.connections(51)) == 51


def test_daytime(program: Path) -> None:
    """As many connections as were asked for are counted, after a tenth of them to warm up."""
    with ServerProcess("daytime") as server:
        found = measured(program, "daytime", server.port, "-n", 4, "-c", 100)
        lines = server.connections(found["connections"])
    assert 100 <= found["messages"] <= 100 + 4
    assert 110 <= found["connections"] <= 110 + 3 * 4  # at a time, at each of three turns
    assert {line["ended"] for line in lines} == {"done"}


def test_udp(program: Path) -> None:
    """Every datagram comes back to its own socket."""
    with ServerProcess("echo", "--udp", "--udp-rate", "0") as server:
        found = measured(program, "udp", server.port, "-n", 4, "-w", 0.05, "-d", 0.2)
    assert found["messages"] > 0
    assert found["bytes"] == found["messages"] * 64
    assert found["lost"] == 0


def test_lost_datagrams_are_counted(program: Path) -> None:
    """Who loses every second datagram is asked again, and the loss is told."""

    def answer(asked: socket.socket) -> None:
        for number in range(1_000_000):
            data, peer = asked.recvfrom(100)
            if not data:
                return
            if number % 2:
                asked.sendto(data, peer)

    with answering(answer, socket.SOCK_DGRAM) as port:
        found = measured(program, "udp", port, "-n", 2, "-w", 0, "-d", 0.5)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", ("127.0.0.1", port))
    assert found["messages"] > 0
    assert found["lost"] > 0


def swap(data: bytes) -> bytes:
    """The data with one bit wrong, in the last byte."""
    return data[:-1] + bytes([data[-1] ^ 1])


WRONG: dict[str, tuple[Callable[[bytes, int], bytes], str]] = {
    "a wrong byte": (lambda data, turn: swap(data) if turn else data, "wrong bytes"),
    "a byte too many": (lambda data, turn: data + b"!" * turn, "more came back than was sent"),
    "bytes that are shifted": (lambda data, turn: data[turn:] + data[:turn], "wrong bytes"),
    "an early end": (lambda data, turn: b"" if turn else data, "the server closed it"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_echo_is_noticed(program: Path, wrong: str) -> None:
    """What is wrong with the second message is told in one line, status 1."""
    change, told = WRONG[wrong]

    def answer(caller: socket.socket) -> None:
        turn = 0
        while data := caller.recv(1000):
            if not (changed := change(data, min(turn, 1))):
                return
            caller.sendall(changed)
            turn += 1

    with answering(answer, socket.SOCK_STREAM) as port:
        done = run(program, "echo", port, "-w", 0, "-d", 1)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"load: connection 0: {told}\n"


def test_wrong_datagram_is_noticed(program: Path) -> None:
    """A datagram that comes back changed is told in one line, status 1."""

    def answer(asked: socket.socket) -> None:
        data, peer = asked.recvfrom(100)
        asked.sendto(swap(data), peer)

    with answering(answer, socket.SOCK_DGRAM) as port:
        done = run(program, "udp", port, "-w", 0, "-d", 1)
    assert (done.returncode, done.stderr) == (1, "load: socket 0: wrong bytes\n")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (LINE[:-2], "not a line"),
        (LINE[:-2] + b"\n", "not a line"),
        (b"", "not a line"),
        (LINE + LINE, "not one printable line"),
        (LINE.replace(b" ", b"\t"), "not one printable line"),
        (LINE * 10, "not a line"),
    ],
)
def test_wrong_daytime_is_noticed(program: Path, line: bytes, told: str) -> None:
    """What is not one printable line with CR and LF is told, status 1."""
    with answering(lambda caller: caller.sendall(line), socket.SOCK_STREAM) as port:
        done = run(program, "daytime", port, "-c", 10)
    assert done.returncode == 1
    assert done.stderr == f"load: connection 1: {told}\n"


@pytest.mark.parametrize("mode", ["echo", "bulk", "udp", "daytime"])
def test_nobody_listens(program: Path, mode: str) -> None:
    """A refused connection is told in one line, status 1."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        done = run(program, mode, bound.getsockname()[1])
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith(": Connection refused\n")
    assert done.stderr.count("\n") == 1


def test_a_process_that_is_gone(program: Path) -> None:
    """Processor time of nobody is an error, not zero."""
    with ServerProcess("echo") as server:
        done = run(program, "echo", server.port, "-d", 0.1, "-p", 2**22 + 1)
    assert done.returncode == 1
    assert done.stderr == f"load: process {2**22 + 1}: No such process\n"


@pytest.mark.parametrize(
    "arguments",
    ["", "echo", "sing 1", "echo 0", "echo 1 2", "echo 1 -n 0", "echo 1 -s 7", "echo 1 -x"],
)
def test_wrong_arguments(program: Path, arguments: str) -> None:
    """One line that tells the usage, status 2."""
    done = run(program, *arguments.split())
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1

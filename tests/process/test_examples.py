"""Every example of `--help` and of the README is run, against stand-ins where it names a place.

What needs Docker is run without it: a client tool's command is the same in a container, and so are
a server's flags. The integration tests run the README's in the containers.
"""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from children import running
from examples import CODES, README, TOOL, of_help, of_readme, of_readme_for_tools
from peer import Peer, refusing
from process.clients.tool import COMMANDS, LAUNCHER, finish, run, start_python
from server_process import ServerProcess, listening_port, wait_until

# By the name that examples use.
Places = Mapping[str, str]

# The first of the outcomes that an example expects is what its place gives it.
EXPECTED = re.compile(r"--expect (\w+)")
# Without the option they go on until Ctrl-C.
ENDLESS = {"hold": "--duration", "watch": "--count"}
# Seconds that an example takes; here it takes a thousandth of them.
SLOW = ("--duration", "--interval")

# A README's `make` is only looked up, since what it does is what the other tests are about. The
# rest is for people who have those programs.
TARGET = re.compile(r"(?:\w+=\S+ )?make (?:\w+=\S+ )?([a-z0-9-]+)")
SERVER = re.compile(
    r"cd services && python3 -m (\w+) --port \d+ (.+)|docker run .*small-services/(\w+):\S+ (.+)"
)
BY_HAND = re.compile(r"\$ (telnet|nc) localhost 120[01]|docker compose -f \S+ -f \S+ up -d")


@contextmanager
def web(host: str) -> Iterator[str]:
    """The address of a web server."""
    command = [sys.executable, "-m", "http.server", "0", "--bind", host]
    quiet = subprocess.DEVNULL
    with running(command, stdout=quiet, stderr=quiet) as server:
        port = wait_until(lambda: listening_port(server.pid), "a web server")
        yield f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@pytest.fixture(scope="module")
def places() -> Iterator[Places]:
    """What stands where examples say."""
    with ExitStack() as stack:
        daytime = stack.enter_context(ServerProcess("daytime", "--udp", admin=True))
        echo = stack.enter_context(ServerProcess("echo", "--udp"))
        ipv4, ipv6 = stack.enter_context(web("127.0.0.1")), stack.enter_context(web("::1"))
        yield {
            "[::1]:8080": ipv6,
            **dict.fromkeys(("web:8080", "localhost:8080", "www.example.org:80"), ipv4),
            "daytime:8080": f"127.0.0.1:{daytime.admin_port}",
            **{f"{name}:1200": f"127.0.0.1:{daytime.port}" for name in ("daytime", *LOCAL)},
            **{f"{name}:1201": f"127.0.0.1:{echo.port}" for name in ("echo", *LOCAL)},
        }


LOCAL = ("localhost", "127.0.0.1")


def examples() -> Iterator[list[str]]:
    """Those of each command's help, and those of the README."""
    for command in (*COMMANDS, ("probe",)):
        found = of_help(run(*command, "--help").out)
        assert found, f"{command} has no examples"
        yield from found
    yield from of_readme_for_tools(in_container=True)
    yield from of_readme_for_tools(in_container=False)


@contextmanager
def place_for(words: Sequence[str], places: Places) -> Iterator[Places]:
    """The places for one example: as ever, or such that what it expects is what it gets."""
    match = EXPECTED.search(" ".join(words))
    if match and match[1] == "REFUSED":
        with refusing() as address:
            yield dict.fromkeys(places, address)
    elif match and match[1] == "CLOSED":
        with Peer(lambda caller: caller.sendall(caller.recv(512))) as peer:
            yield dict.fromkeys(places, peer.address)
    else:
        yield places


def hasten(words: Sequence[str]) -> list[str]:
    """The same example in less time."""
    pairs = zip(["", *words], words, strict=False)
    return [f"{float(word) / 1000:f}" if option in SLOW else word for option, word in pairs]


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("words", list(examples()), ids=shlex.join)
def test_example(words: list[str], places: Places, tmp_path: Path) -> None:
    """It is a command that works: OK, or the code that it is there to show."""
    with place_for(words, places) as at:
        arguments = [at.get(word, word) for word in hasten(words)]
        endless = any(name in words and option not in words for name, option in ENDLESS.items())
        program = LAUNCHER.format(tool=arguments[0])
        process = start_python("-c", program, *arguments[1:], directory=tmp_path)
        if endless:
            assert process.stdout
            assert process.stdout.readline()
            process.send_signal(signal.SIGINT)
        done = finish(process)
    assert done.code == (130 if endless else CODES.get(shlex.join(words), 0)), done


@pytest.mark.parametrize("command", [line for line in of_readme() if SERVER.fullmatch(line)])
def test_example_of_a_server(command: str) -> None:
    """A server takes the flags that the README gives it, with and without a container."""
    match = SERVER.fullmatch(command)
    assert match
    service, flags = match[1] or match[3], match[2] or match[4]
    with ServerProcess(service, *shlex.split(flags)) as server:
        assert server.stop() == 0


def test_every_example_is_run() -> None:
    """There is none in the README that no test knows of, and no target that `make` does not."""
    targets = re.findall(r"^([a-z0-9-]+):", (README.parent / "Makefile").read_text(), re.MULTILINE)
    for line in of_readme():
        target = TARGET.fullmatch(line)
        if target:
            assert target[1] in targets, line
        else:
            assert any(kind.fullmatch(line) for kind in (TOOL, SERVER, BY_HAND)), line


def test_every_command_is_listed() -> None:
    """The table that these tests go by has all commands of probe."""
    listed = re.findall(r"^    (\w+) ", run("probe", "--help").out, re.MULTILINE)
    assert {command[1] for command in COMMANDS if command[0] == "probe"} == set(listed)

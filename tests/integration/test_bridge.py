"""The services over the bridge network, by name, from the client's container."""

import json
import shlex

import pytest

from examples import CODES, of_readme_for_tools
from stack import Stack

# Time for containers to come and, even after a failure, to go.
pytestmark = pytest.mark.timeout(300)

PRIOR_INPUT = """
import socket, sys
with socket.create_connection(("daytime", 1200), 10) as caller:
    caller.sendall(b"x" * int(sys.argv[1]))
    caller.shutdown(socket.SHUT_WR)
    while data := caller.recv(1024):  # a reset would raise here
        sys.stdout.write(data.decode())
"""

PARALLEL = """
import os, socket, threading
right = []
def call():
    with socket.create_connection(("echo", 1201), 30) as caller:
        with caller.makefile("rb") as replies:
            for _ in range(32):
                sent = os.urandom(32_768)
                caller.sendall(sent)
                if replies.read(len(sent)) != sent:
                    return
            caller.shutdown(socket.SHUT_WR)
            if replies.read() == b"":
                right.append(1)
callers = [threading.Thread(target=call) for _ in range(50)]
for caller in callers: caller.start()
for caller in callers: caller.join()
print(len(right))
"""


@pytest.fixture(params=["iterative", "threaded", "evented"])
def model(request: pytest.FixtureRequest, stack: Stack) -> str:
    """The stack in each of the models, which is its name as well; the default one last, so that
    others find it.
    """
    stack.up(MODEL=request.param, IDENTITY=request.param)
    return str(request.param)


def test_every_model_serves(stack: Stack, model: str) -> None:
    """D1, D5, E1, E3: MODEL chooses the model, IDENTITY the name, and both services answer."""
    assert {stack.log(name)[0]["model"] for name in ("daytime", "echo")} == {model}
    answer = json.loads(stack.ask("probe", "daytime", "daytime:1200", "--json").stdout)
    assert (answer["outcome"], answer["identity"]) == ("OK", model)
    assert stack.ask("probe", "echo", "echo:1201").returncode == 0


def test_daytime_tells_the_time(stack: Stack) -> None:
    """D1, D4: a line of ASCII, and the end of input."""
    result = stack.ask("probe", "daytime", "daytime:1200", "--json")
    assert result.returncode == 0, result.stderr
    assert " UTC 20" in result.stdout


def test_daytime_ignores_prior_input(stack: Stack) -> None:
    """D2: a caller who speaks first still gets the whole line and a clean end."""
    for size in ("1", "1000000"):
        assert stack.python("client", PRIOR_INPUT, size).endswith("\n")


def test_echo_returns_16_mib(stack: Stack) -> None:
    """E1, E3: 16 MiB come back whole after a half-close."""
    result = stack.ask("probe", "echo", "echo:1201", "--size", str(16 << 20), "--json")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["outcome"] == "OK"


def test_echo_serves_many_at_once(stack: Stack) -> None:
    """E1, E3: fifty callers at once get a mebibyte each, their own."""
    assert stack.python("client", PARALLEL) == "50\n"


def test_head_of_a_web_server(stack: Stack) -> None:
    """H1, H2: the head of a real server's answer is printed."""
    result = stack.ask("headinfo", "web:8080")
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("HTTP/1.0 200 OK\n")


@pytest.mark.parametrize(
    ("target", "said"), [("echo:1201", "HEAD / HTTP/1.0"), ("daytime:1200", "UTC")]
)
def test_head_of_what_is_no_web_server(stack: Stack, target: str, said: str) -> None:
    """H7: pointed at echo it does not hang, pointed at daytime it says what it got."""
    result = stack.ask("headinfo", target)
    assert result.returncode == 72
    assert said in result.stdout


def test_run_gives_a_client_of_its_own(stack: Stack) -> None:
    """`docker compose run --rm client` is the documented way to ask."""
    printed = stack.compose("run", "--rm", "client", "probe", "echo", "echo:1201", "--json")
    assert json.loads(printed.splitlines()[-1])["outcome"] == "OK"


@pytest.mark.parametrize("words", of_readme_for_tools(in_container=True), ids=shlex.join)
def test_examples_of_the_readme(stack: Stack, words: list[str]) -> None:
    """What the README runs in the client's container works there as it is written."""
    result = stack.ask(*words)
    assert result.returncode == CODES.get(shlex.join(words), 0), result.stdout + result.stderr


def test_docker_compose_1_29_runs_the_stack(old_stack: Stack) -> None:
    """The same file is good for Debian 12's docker-compose: up, healthy, answering."""
    old_stack.up()
    assert old_stack.ask("probe", "daytime", "daytime:1200").returncode == 0
    assert old_stack.ask("probe", "echo", "echo:1201").returncode == 0
    assert old_stack.ask("headinfo", "web:8080").returncode == 0

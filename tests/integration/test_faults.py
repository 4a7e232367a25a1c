"""What can go wrong around a container: its network, its limits, its first moment, its content.

Peers that are hostile by themselves need no container, and are met in the process tests.
"""

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from children import running
from server_process import wait_until
from stack import IMAGES, ROOT, SERVERS, Stack, output, run

# Time for containers to come and, even after a failure, to go.
pytestmark = pytest.mark.timeout(300)

CLIENT_IMAGE = "small-services/client:0.1.0"

FROM_THE_ENGINE = {"/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/etc/mtab"}

LISTEN = """
import socket
with socket.create_server(("", 7000)) as listener:
    print("listening", flush=True)
    while True:
        listener.accept()[0].close()
"""

CONNECT = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], 7000), 3)
except OSError as error:
    print(type(error).__name__)
else:
    print("connected")
"""

FILES = """
import os
stdlib = os.path.dirname(os.__file__)
for folder, _, names in os.walk("/"):
    if not folder.startswith(("/proc", "/sys", "/dev", stdlib, "/usr/share/zoneinfo")):
        print(*(os.path.join(folder, name) for name in names), sep="\\n", end="\\n" * bool(names))
"""

# One line a tenth of a second, until told to stop; each has to come back, in order.
CONVERSE = """
import select, socket, sys
with socket.create_connection((sys.argv[1], 1201), 60) as caller:
    answers, number = caller.makefile("rb"), 0
    while not select.select([sys.stdin], [], [], 0.1)[0]:
        line = b"%d\\n" % number
        caller.sendall(line)
        answer = answers.readline()
        assert answer == line, (answer, line)
        number += 1
        print(number, flush=True)
    caller.shutdown(socket.SHUT_WR)
    assert answers.read() == b""
print("whole")
"""

# An echo server that misses a silent caller after two seconds, not after ninety.
IMPATIENT = """
import runpy
from runtime import tcp
fast = {"TCP_KEEPIDLE": 1, "TCP_KEEPINTVL": 1, "TCP_KEEPCNT": 1, "TCP_USER_TIMEOUT": 2000}
tcp._INHERITED = [(level, name, fast.get(name, value))
                        for level, name, value in tcp._INHERITED]
runpy.run_module("echo", run_name="__main__")
"""

# Two callers: one says nothing more, and one leaves an answer on its way that it cannot take.
VANISH = """
import select, socket, sys
silent, busy = (socket.create_connection((sys.argv[1], 1201), 30) for _ in range(2))
for caller in (silent, busy):
    caller.sendall(b"x")
    assert caller.recv(1) == b"x"
busy.setblocking(False)
while select.select([], [busy], [], 0.5)[1]:
    busy.send(bytes(65536))
print("connected", flush=True)
silent.recv(1)
"""

CROWD = """
import select, socket, sys
name, count = sys.argv[1], int(sys.argv[2])
callers = [socket.create_connection((name, 1201), 30) for _ in range(count)]
for caller in callers:
    caller.sendall(b"x")
first = True
while callers:
    served = select.select(callers, [], [], 30)[0]
    assert served, f"{len(callers)} were never served"
    while first and (more := select.select(list(set(callers) - set(served)), [], [], 1)[0]):
        served += more
    if first:
        print(len(served), flush=True)
    first = False
    for caller in served:
        assert caller.recv(1) == b"x"
        caller.close()
        callers.remove(caller)
print("all served")
"""

# Clients that send as much as is taken and never read, and then one more.
STALL = """
import socket, sys
name, count = sys.argv[1], int(sys.argv[2])
callers = [socket.create_connection((name, 1201), 30) for _ in range(count)]
for caller in callers:
    caller.setblocking(False)
taken, quiet = 0, 0
while quiet < 20:
    before = taken
    for caller in callers:
        try:
            taken += caller.send(bytes(65536))
        except BlockingIOError:
            pass
    quiet = quiet + 1 if taken == before else 0
with socket.create_connection((name, 1201), 30) as caller:
    caller.sendall(b"x")
    assert caller.recv(1) == b"x"
print(taken)
"""


@contextmanager
def container(*arguments: str) -> Iterator[str]:
    """The id of a container that `docker run -d` has started, for as long as the context lasts."""
    started = output("docker", "run", "-d", *arguments).strip()
    try:
        yield started
    finally:
        output("docker", "rm", "-f", started)


@contextmanager
def network(*arguments: str) -> Iterator[str]:
    """A network of its own; whoever is still in it leaves it first."""
    name = f"pytest-{time.monotonic_ns()}"
    output("docker", "network", "create", *arguments, name)
    try:
        yield name
    finally:
        (facts,) = json.loads(output("docker", "network", "inspect", name))
        for member in facts["Containers"]:
            run("docker", "network", "disconnect", "--force", name, member)
        output("docker", "network", "rm", name)


def address(container: str, network: str) -> str:
    """The IPv4 address of a container in a network."""
    (facts,) = json.loads(output("docker", "inspect", container))
    return str(facts["NetworkSettings"]["Networks"][network]["IPAddress"])


def log(container: str) -> str:
    """All that a container has printed."""
    return output("docker", "logs", container)


def network_of(stack: Stack) -> str:
    """The network of the stack."""
    return str(next(iter(stack.inspect("client")["NetworkSettings"]["Networks"])))


@pytest.mark.fault("which hosts can it reach?")
@pytest.mark.parametrize("service", SERVERS)
def test_no_way_out(stack: Stack, service: str) -> None:
    """A server does not reach a listener on another bridge, which others there do reach."""
    with (
        network() as other,
        container("--network", other, CLIENT_IMAGE, "python3.13", "-c", LISTEN) as listener,
    ):
        wait_until(lambda: "listening" in log(listener), "the listener")
        there = address(listener, other)
        neighbour = ["docker", "run", "--rm", "--network", other, CLIENT_IMAGE]
        assert output(*neighbour, "python3.13", "-c", CONNECT, there) == "connected\n"
        assert stack.python(service, CONNECT, there) == "TimeoutError\n"


@pytest.mark.fault("which files are in it?")
@pytest.mark.parametrize("service", SERVERS)
def test_only_our_files(stack: Stack, service: str) -> None:
    """Beside interpreter, standard library and time zones there are our modules and no more."""
    services = ROOT / "services"
    sources = [path for name in ("runtime", service) for path in (services / name).rglob("*.py")]
    ours = {f"/app/{path.relative_to(services)}" for path in sources}
    found = set(stack.python(service, FILES).splitlines())
    assert {path for path in found if path.startswith("/app/") and path.endswith(".py")} == ours
    strangers = {
        path
        for path in found
        if not path.startswith("/app/")
        and ".so" not in path
        and path.rpartition("/")[2] not in {"python3.13", "docker-init", ".dockerenv"}
    }
    assert strangers <= FROM_THE_ENGINE | {"/etc/python3.13/sitecustomize.py"}  # of Debian's Python


@pytest.mark.fault("a partition that heals")
def test_a_partition_heals(stack: Stack) -> None:
    """E1: a connection outlives three seconds without a network, and no byte is lost."""
    with network("--subnet", "10.213.57.0/24") as second:
        echo, client = stack.container("echo"), stack.container("client")
        output("docker", "network", "connect", "--ip", "10.213.57.2", second, echo)
        output("docker", "network", "connect", second, client)
        command = ["docker", "exec", "-i", client, "python3.13", "-c", CONVERSE, "10.213.57.2"]
        with running(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as talker:
            assert talker.stdin
            assert talker.stdout
            assert talker.stdout.readline() == "1\n"
            output("docker", "network", "disconnect", second, echo)
            result = stack.ask("probe", "echo", "10.213.57.2:1201", "--timeout", "3")
            assert result.stdout.split()[0] in ("TIMEOUT", "UNREACHABLE")
            output("docker", "network", "connect", "--ip", "10.213.57.2", second, echo)
            last = int(talker.stdout.readline())
            while int(talker.stdout.readline()) < last + 5:
                pass
            talker.stdin.close()
            assert talker.stdout.read().endswith("whole\n")
        assert stack.ask("probe", "echo", "10.213.57.2:1201").returncode == 0


@pytest.mark.fault("a client without a network, silent or with an answer pending")
def test_a_vanished_caller_is_let_go() -> None:
    """Who is gone without a word is missed by keepalive, or by the answer that nobody takes."""
    server = ["--entrypoint", "python3.13", IMAGES[1], "-c", IMPATIENT, "--stall-timeout", "0"]
    with network() as net, container("--network", net, *server) as echo:
        wait_until(lambda: "ready" in log(echo), "the ready line")
        there = address(echo, net)
        command = ["--network", net, CLIENT_IMAGE, "python3.13", "-c", VANISH, there]
        with container(*command) as client:
            wait_until(lambda: "connected" in log(client), "two callers")
            output("docker", "network", "disconnect", net, client)
            wait_until(lambda: log(echo).count('"ended": "lost"') == 2, "both to be lost")


@pytest.mark.fault("a limit on processes (`--pids-limit`)")
def test_a_limit_on_threads_delays_callers(stack: Stack) -> None:
    """Where the engine allows few threads callers wait until others have left; none is lost."""
    flags = ["--model", "threaded"]
    with container("--network", network_of(stack), "--pids-limit", "12", IMAGES[1], *flags) as echo:
        wait_until(lambda: "ready" in log(echo), "the ready line")
        there = address(echo, network_of(stack))
        first, last = stack.python("client", CROWD, there, "30").splitlines()
        assert 0 < int(first) < 12
        assert last == "all served"
        errors = [line for line in log(echo).splitlines() if '"level": "error"' in line]
        assert len(errors) <= 1


@pytest.mark.fault("little memory")
def test_callers_who_never_read_fit_into_the_memory(stack: Stack) -> None:
    """E4: two hundred of them in 64 MiB, and one more is served."""
    with container("--network", network_of(stack), "--memory", "64m", IMAGES[1]) as echo:
        wait_until(lambda: "ready" in log(echo), "the ready line")
        taken = int(stack.python("client", STALL, address(echo, network_of(stack)), "200"))
        assert taken > 200 * 65536
        (facts,) = json.loads(output("docker", "inspect", echo))
        assert facts["State"]["Running"]
        assert not facts["State"]["OOMKilled"]


def processes(server: str) -> int:
    """How many processes run in a container."""
    return len(output("docker", "top", server, "-o", "pid").splitlines()) - 1


@pytest.mark.fault("SIGTERM in the first moment, under an init")
@pytest.mark.parametrize("image", IMAGES)
def test_a_stop_in_the_first_moment(image: str) -> None:
    """Told to stop as soon as its init has a child, a server is gone within three seconds."""
    with container("--init", "--network", "none", image) as server:
        # Before that process 1 may be the engine's own program, or an init that has not said yet
        # which signals it takes; the kernel gives process 1 no others.
        wait_until(lambda: processes(server) == 2, "the init and its child")
        output("docker", "kill", "--signal", "TERM", server)
        assert output("timeout", "3", "docker", "wait", server).strip() in ("0", "143")

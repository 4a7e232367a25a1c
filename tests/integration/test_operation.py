"""UDP, the admin port and IPv6 over the bridge network, from the client's container."""

import json
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE

import pytest
from pytest_docker.plugin import get_docker_services

from children import running
from server_process import wait_until
from stack import IMAGES, ROOT, SERVERS, Stack, output, run

pytestmark = pytest.mark.timeout(300)

LARGEST = 65_507

ASK_FROM = """
import socket, sys
host, port, source = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
    asking.bind(("", source))
    asking.settimeout(float(sys.argv[4]))
    asking.sendto(b"x", (host, port))
    try:
        print("answered", asking.recv(100))
    except TimeoutError:
        print("silence")
"""

# A UDP datagram from somebody else, made by hand: IPv4 and UDP headers, no checksum of the data.
FORGE = """
import socket, struct, sys
source, target = socket.gethostbyname(sys.argv[1]), socket.gethostbyname(sys.argv[3])
data = b"forged"
udp = struct.pack("!HHHH", int(sys.argv[2]), int(sys.argv[4]), 8 + len(data), 0) + data
ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0,
                 socket.inet_aton(source), socket.inet_aton(target))
with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
    raw.sendto(ip + udp, (target, 0))
"""

WATCH_READYZ = """
import time, urllib.error, urllib.request
seen = []
while True:
    try:
        status = urllib.request.urlopen("http://echo:8080/readyz", timeout=5).status
    except urllib.error.HTTPError as error:
        status = error.code
    except OSError:
        break
    if seen[-1:] != [status]:
        seen.append(status)
        print(status, flush=True)
    time.sleep(0.05)
"""

HOLD = """
import socket, sys
with socket.create_connection(("echo", 1201), 30) as caller:
    caller.sendall(b"x")
    caller.recv(1)
    print("held", flush=True)
    sys.stdin.read()  # until the test lets go
"""

NO_IPV6 = {
    "defaultAction": "SCMP_ACT_ALLOW",
    "syscalls": [
        {
            "names": ["socket"],
            "action": "SCMP_ACT_ERRNO",
            "errnoRet": 97,  # EAFNOSUPPORT, as from a kernel without IPv6
            "args": [{"index": 0, "value": 10, "op": "SCMP_CMP_EQ"}],
        }
    ],
}


def metrics(stack: Stack, service: str) -> dict[str, int]:
    """The samples of a service, by name and labels."""
    code = "import sys, urllib.request as r; print(r.urlopen(sys.argv[1]).read().decode())"
    text = stack.python("client", code, f"http://{service}:8080/metrics")
    samples = re.findall(r"^small_services_(\S+) (\d+)$", text, re.MULTILINE)
    return {name: int(value) for name, value in samples}


@pytest.mark.parametrize("size", [0, 1, 512, 8193, LARGEST])
def test_echo_returns_datagrams(stack: Stack, size: int) -> None:
    """E5: datagrams of every size come back, the empty one and fragments included."""
    result = stack.ask("probe", "echo", "echo:1201", "--udp", "--size", str(size))
    assert result.returncode == 0, result.stdout + result.stderr


def test_daytime_answers_datagrams(stack: Stack) -> None:
    """D3: a datagram gets the time."""
    result = stack.ask("probe", "daytime", "daytime:1200", "--udp")
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("port", [7, 1200, 1201])
def test_refused_source_ports_hear_nothing(stack: Stack, port: int) -> None:
    """S1: who sends from a port that a service might have is not answered; the drop is counted."""
    before = metrics(stack, "echo").get('datagrams_dropped_total{reason="source_port"}', 0)
    assert stack.python("client", ASK_FROM, "echo", "1201", str(port), "0.5") == "silence\n"
    after = metrics(stack, "echo")['datagrams_dropped_total{reason="source_port"}']
    assert after == before + 1
    answer = stack.python("client", ASK_FROM, "echo", "1201", "40000", "10")
    assert answer == "answered b'x'\n"


def test_echo_and_daytime_do_not_talk_for_ever(stack: Stack) -> None:
    """S1: a forged datagram between the two services dies at the first of them."""
    network = next(iter(stack.inspect("client")["NetworkSettings"]["Networks"]))
    before = metrics(stack, "echo"), metrics(stack, "daytime")
    for forged in (("daytime", "1200", "echo", "1201"), ("echo", "1201", "daytime", "1200")):
        output(
            *["docker", "run", "--rm", "--network", network, "--user", "0"],
            *["small-services/client:0.1.0", "python3.13", "-c", FORGE, *forged],
        )
    after = metrics(stack, "echo"), metrics(stack, "daytime")
    for old, new in zip(before, after, strict=True):
        assert new["datagrams_received_total"] == old["datagrams_received_total"] + 1
        assert new["datagrams_sent_total"] == old["datagrams_sent_total"]


def test_the_address_that_was_asked_answers(stack: Stack) -> None:
    """E6: with a foot in two networks, echo answers a connected socket from either address."""
    network = f"{stack.container('echo')[:12]}-second"
    output("docker", "network", "create", network)
    try:
        for name in ("echo", "client"):
            output("docker", "network", "connect", network, stack.container(name))
        networks = stack.inspect("echo")["NetworkSettings"]["Networks"]
        addresses = [each["IPAddress"] for each in networks.values()]
        assert len(addresses) == 2
        for address in addresses:
            result = stack.ask("probe", "echo", f"{address}:1201", "--udp")
            assert result.returncode == 0, result.stdout + result.stderr
    finally:
        for name in ("echo", "client"):
            run("docker", "network", "disconnect", network, stack.container(name))
        output("docker", "network", "rm", network)


def test_metrics_equal_what_was_sent(stack: Stack) -> None:
    """The counters grow by the bytes of a probe, over TCP and over UDP."""
    before = metrics(stack, "echo")
    assert stack.ask("probe", "echo", "echo:1201", "--size", "1000000").returncode == 0
    assert stack.ask("probe", "echo", "echo:1201", "--udp", "--size", "1000").returncode == 0
    after = metrics(stack, "echo")
    for direction in ("received", "sent"):
        for transport, size in (("tcp", 1_000_000), ("udp", 1000)):
            name = f'{direction}_bytes_total{{transport="{transport}"}}'
            assert after[name] - before[name] == size
    assert after["connections_total"] == before["connections_total"] + 1


@pytest.mark.parametrize("service", SERVERS)
def test_the_admin_port_answers_head(stack: Stack, service: str) -> None:
    """H1, H2: the head tool gets a 200 from a service's admin port."""
    result = stack.ask("headinfo", f"{service}:8080")
    assert result.returncode == 0
    assert result.stdout.startswith("HTTP/1.1 200 OK\n")


@pytest.mark.parametrize("service", SERVERS)
def test_the_health_check_leaves_no_line(stack: Stack, service: str) -> None:
    """Docker asks for health all the time, and the log stays quiet."""
    log = stack.inspect(service)["State"]["Health"]["Log"]
    assert log[-1]["ExitCode"] == 0
    assert not [line for line in stack.log(service) if line.get("peer", "").startswith("127.")]


def test_not_ready_while_stopping(stack: Stack) -> None:
    """From the signal on /readyz says 503, while the caller there is goes on to its end."""
    client = ["docker", "exec", "-i", stack.container("client"), "python3.13", "-c"]
    stop = threading.Thread(target=stack.compose, args=["stop", "echo"])
    with (
        running([*client, HOLD], stdin=PIPE, stdout=PIPE, text=True) as holder,
        running([*client, WATCH_READYZ], stdout=PIPE, text=True) as watcher,
    ):
        assert holder.stdin
        assert holder.stdout
        assert watcher.stdout
        assert holder.stdout.readline() == "held\n"
        assert watcher.stdout.readline() == "200\n"
        container = stack.container("echo")
        stop.start()
        assert watcher.stdout.readline() == "503\n"
        holder.stdin.close()
        stop.join()
        assert watcher.stdout.read() == ""
    state = output("docker", "inspect", "-f", "{{.State.ExitCode}}", container)
    stack.up()
    assert state == "0\n"


@pytest.fixture(scope="module")
def ipv6_stack(docker_compose_command: str, docker_compose_file: str) -> Iterator[Stack]:
    """The stack with IPv6 on its network, in a project of its own."""
    files = [docker_compose_file, str(ROOT / "docker-compose.ipv6.yml")]
    project = f"pytest-ipv6-{time.monotonic_ns()}"
    with get_docker_services(
        docker_compose_command, files, project, [], ["down --volumes --timeout 0"]
    ) as services:
        stack = Stack(services)
        stack.up(IPV6_SUBNET="fd86:7086:2001::/64")
        yield stack


@pytest.mark.parametrize("service", SERVERS)
@pytest.mark.parametrize("transport", [[], ["--udp"]])
@pytest.mark.parametrize("family", ["-4", "-6"])
def test_both_families_by_name_and_by_literal(
    ipv6_stack: Stack, service: str, transport: list[str], family: str
) -> None:
    """On a network with IPv6 both services answer over both families."""
    port = {"daytime": 1200, "echo": 1201}[service]
    (network,) = ipv6_stack.inspect(service)["NetworkSettings"]["Networks"].values()
    literal = network["IPAddress"] if family == "-4" else f"[{network['GlobalIPv6Address']}]"
    for host in (service, literal):
        result = ipv6_stack.ask("probe", service, f"{host}:{port}", family, *transport)
        assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("image", IMAGES)
@pytest.mark.parametrize("how", ["turned off", "not built in"])
def test_a_system_without_ipv6(image: str, how: str, tmp_path: Path) -> None:
    """Without IPv6 the services serve IPv4, on TCP, UDP and the admin port."""
    profile = tmp_path / "seccomp.json"
    profile.write_text(json.dumps(NO_IPV6))
    without = {
        "turned off": ["--sysctl", "net.ipv6.conf.all.disable_ipv6=1"],
        "not built in": ["--security-opt", f"seccomp={profile}"],
    }
    flags = ["--udp", "--admin-port", "8080"]
    container = output("docker", "run", "-d", *without[how], image, *flags).strip()
    try:
        check = ["docker", "exec", container, "python3.13", "-m", image.split("/")[1].split(":")[0]]
        wait_until(lambda: run(*check, "--check").returncode == 0, "a good check")
        assert run(*check, "--check", *flags).returncode == 0
        address = json.loads(output("docker", "logs", container).splitlines()[0])["address"]
        assert address.startswith("[::]:" if how == "turned off" else "0.0.0.0:")
    finally:
        output("docker", "rm", "-f", container)

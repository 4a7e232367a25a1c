"""What cannot be: one line on stderr that names the setting and the value, and the status."""

import ctypes
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from peer import Peer, refusing, send
from server_process import PYTHON, SERVICES, Serve, environment

PR_CAPBSET_DROP, CAP_NET_BIND_SERVICE = 24, 10


def run(
    service: str,
    *flags: str,
    env: dict[str, str] | None = None,
    before: Callable[[], None] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a server that is expected to end by itself."""
    return subprocess.run(
        [PYTHON, "-m", service, *flags],
        env=environment(**(env or {})),
        capture_output=True,
        text=True,
        timeout=20,
        preexec_fn=before,
        check=False,
    )


@pytest.mark.parametrize(
    ("service", "flags", "env", "named"),
    [
        ("echo", ["--prot", "1"], {}, ["--prot"]),
        ("echo", ["extra"], {}, ["extra"]),
        ("echo", ["--port"], {}, ["--port"]),
        ("echo", ["--port", "65536"], {}, ["--port", "65536"]),
        ("echo", ["--port", "-1"], {}, ["--port"]),
        ("echo", ["--port", "1_2"], {}, ["--port", "1_2"]),
        ("echo", ["--port", "\uff11\uff12"], {}, ["--port", "\\uff11\\uff12"]),
        ("echo", [], {"SERVE_PORT": "http"}, ["SERVE_PORT", "http"]),
        ("echo", ["--port", ""], {}, ["--port", "(empty)"]),
        ("echo", [], {"SERVE_PORT": '"7"'}, ["SERVE_PORT", "without quotes: 7"]),
        ("echo", [], {"SERVE_SERVICE_HOST": "10.0.0.1"}, ["enableServiceLinks: false"]),
        ("echo", ["--host", "::1%" + "9" * 4301], {}, ["--host", "interface"]),
        ("echo", ["--host", "224.0.0.1"], {}, ["--host 224.0.0.1", "one host"]),
        ("echo", ["--\u202e" + "x" * 5000], {}, ["\\u202ex", "..."]),
        ("echo", [], {"SERVE_PROT": "1"}, ["SERVE_PROT", "SERVE_PORT"]),
        ("echo", ["--host", "localhost"], {}, ["--host", "localhost"]),
        ("echo", ["--host", "%lo"], {}, ["--host", "%lo"]),
        ("echo", ["--host", "::1", "--family", "4"], {}, ["--host", "::1"]),
        ("echo", ["--host", "1.2.3.4\n\x1b[2J"], {}, ["--host", "\\n\\x1b"]),
        ("echo", ["--family", "5"], {}, ["--family", "5"]),
        ("echo", ["--model", "forking"], {}, ["--model", "forking"]),
        ("echo", ["--workers", "0"], {}, ["--workers", "0"]),
        ("echo", [], {"SERVE_WORKERS": "257"}, ["SERVE_WORKERS", "257"]),
        ("echo", ["--workers", "2", "--model", "threaded"], {}, ["--workers 2", "evented"]),
        ("echo", ["--max-connections", "0"], {}, ["--max-connections", "0"]),
        ("echo", ["--idle-timeout", "nan"], {}, ["--idle-timeout", "nan"]),
        ("echo", ["--idle-timeout", "-1"], {}, ["--idle-timeout"]),
        ("echo", ["--drain-timeout", "1e9"], {}, ["--drain-timeout", "1e9"]),
        ("echo", ["--log-level", "loud"], {}, ["--log-level", "loud"]),
        ("echo", ["--print"], {}, ["--print", "evented"]),
        ("echo", [], {"SERVE_PRINT": "maybe"}, ["SERVE_PRINT", "maybe", "true or false"]),
        ("echo", ["--timezone", "UTC"], {}, ["--timezone"]),
        ("echo", ["--check", "--port", "0"], {}, ["--port", "0"]),
        ("daytime", ["--idle-timeout", "5"], {}, ["--idle-timeout"]),
        ("daytime", ["--timezone", "Mars/Olympus"], {}, ["--timezone", "Mars/Olympus"]),
        ("daytime", ["--timezone", "../../etc/passwd"], {}, ["--timezone", "passwd"]),
        ("daytime", [], {"TZ": "Bogus"}, ["TZ", "Bogus"]),
        ("daytime", [], {"TZ": "Bogus/Zone"}, ["TZ", "Bogus/Zone"]),
        ("daytime", [], {"TZ": ":/etc/passwd"}, ["TZ :/etc/passwd", "TZif"]),
        ("daytime", [], {"TZ": "UTC0", "SERVE_TIMEZONE": "UTC0"}, ["SERVE_TIMEZONE", "IANA"]),
        (
            "daytime",
            [],
            {"TZ": "Europe/Berlin", "PYTHONTZPATH": "/nonexistent"},
            ["TZ Europe/Berlin", "no time zone database"],
        ),
    ],
)
def test_bad_settings_are_refused(
    service: str, flags: list[str], env: dict[str, str], named: list[str]
) -> None:
    """A bad setting is status 2 and one line that names it."""
    result = run(service, *flags, env=env)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith(f"{service}: ")
    assert all(each in result.stderr for each in named), result.stderr
    assert len(result.stderr) < 300


@pytest.mark.parametrize("start", ["services/echo", "services/daytime", "-mservices.echo"])
def test_a_start_in_the_wrong_place_says_how(start: str) -> None:
    """A service that is started by its path prints how to start it."""
    result = subprocess.run(
        [PYTHON, start], cwd=SERVICES.parent, capture_output=True, text=True, timeout=20
    )
    service = "daytime" if "daytime" in start else "echo"
    how = f"start it as a module: cd services && python3 -m {service}"
    assert (result.returncode, result.stderr) == (2, f"{service}: {how}\n")


@pytest.mark.fault("messages or tracebacks of several processes on one stderr")
@pytest.mark.parametrize(
    ("command", "status"),
    [
        (["-m", "echo", "--port", "x"], 2),
        (["-m", "echo", "--host", "192.0.2.1"], 1),
        (["-c", "from runtime.main import run; run('echo', None, None, None)"], 1),
    ],
)
def test_a_message_is_one_write(command: list[str], status: int) -> None:
    """A message or a traceback on stderr cannot mix with the lines of another process."""
    reader, writer = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)  # a read a write
    with reader:
        with writer:
            result = subprocess.run(
                [PYTHON, *command], env=environment(), stderr=writer.fileno(), timeout=20
            )
        writes = list(iter(lambda: reader.recv(1 << 16), b""))
    assert result.returncode == status
    assert [write[-1:] for write in writes] == [b"\n"]


def test_an_address_of_a_network_is_status_1() -> None:
    """No TCP client can connect to the broadcast address of a network."""
    result = run("echo", "--port", "0", "--host", "127.255.255.255")
    assert (result.returncode, result.stderr.count("\n")) == (1, 1)
    assert result.stderr.startswith("echo: --host 127.255.255.255: must be the address of one host")


def test_variables_that_kubernetes_sets_are_not_ours() -> None:
    """A Service called echo puts ECHO_PORT into every pod; it must mean nothing."""
    assert run("echo", "--version", env={"ECHO_PORT": "tcp://10.0.0.1:1201"}).returncode == 0


def test_a_taken_port_is_status_1(serve: Serve) -> None:
    """A server that cannot start says which port is taken."""
    port = str(serve("echo").port)
    result = run("echo", "--port", port)
    assert (result.returncode, result.stderr) == (
        1,
        f"echo: --port {port}: address already in use\n",
    )


def test_an_address_of_another_machine_is_status_1() -> None:
    """A server that cannot start says which address is not ours."""
    result = run("echo", "--port", "0", "--host", "192.0.2.1")
    assert (result.returncode, result.stderr) == (
        1,
        "echo: --host 192.0.2.1: cannot assign requested address\n",
    )


def test_a_link_local_address_needs_its_zone() -> None:
    """An address that cannot be bound as it is names the host, not the port."""
    result = run("echo", "--port", "0", "--host", "fe80::1")
    assert (result.returncode, result.stderr.count("\n")) == (1, 1)
    assert result.stderr.startswith("echo: --host fe80::1: invalid argument; write the interface")


def test_an_unknown_interface_is_status_1() -> None:
    """A zone id that names no interface is told as such."""
    result = run("echo", "--port", "0", "--host", "fe80::1%nosuch0")
    assert result.returncode == 1
    assert result.stderr.startswith("echo: --host fe80::1%nosuch0: ")
    assert result.stderr.count("\n") == 1


def test_a_privileged_port_without_the_privilege_is_status_1() -> None:
    """Port 7 needs a capability; a server without it says so."""
    libc = ctypes.CDLL(None)
    result = run(
        "echo",
        "--port",
        "7",
        before=lambda: libc.prctl(PR_CAPBSET_DROP, CAP_NET_BIND_SERVICE, 0, 0, 0),
    )
    assert (result.returncode, result.stderr) == (1, "echo: --port 7: permission denied\n")


def test_check_fails_where_nobody_listens() -> None:
    """`--check` without a server is status 1 and one line."""
    with refusing() as address:
        result = run("echo", "--check", "--port", address.rpartition(":")[2])
    assert result.returncode == 1
    assert result.stderr.startswith(f"echo: check: {address}: ")
    assert result.stderr.count("\n") == 1


@pytest.mark.fault("`--check` of a port from which the system takes its own (nothing listens)")
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_check_does_not_answer_itself(host: str, own_network: bool) -> None:
    """A check that the system connects to itself is a check where nothing listens."""
    if not own_network:
        pytest.skip("a network namespace takes CAP_SYS_ADMIN")
    # The only port that the system may choose is the port that is asked for.
    Path("/proc/sys/net/ipv4/ip_local_port_range").write_text("40000 40000")
    result = run("echo", "--check", "--host", host, "--port", "40000")
    assert result.returncode == 1
    assert result.stderr.endswith(":40000: connection refused\n")


@pytest.mark.parametrize("asked", ["echo", "daytime"])
@pytest.mark.parametrize("serving", ["echo", "daytime"])
def test_check_tells_right_from_wrong(serve: Serve, serving: str, asked: str) -> None:
    """`--check` is a round trip: status 0 for the service itself, 1 for any other."""
    server = serve(serving, "--family", "4")
    result = run(asked, "--check", "--port", str(server.port))
    assert result.returncode == (0 if serving == asked else 1), result.stderr


@pytest.mark.parametrize(
    ("answer", "flags"),
    [
        (b"HTTP/1.1 503 x 200 y\r\n\r\n", ["echo", "--admin-port"]),
        (b"\r\n", ["daytime", "--port"]),
    ],
)
def test_check_refuses_a_wrong_answer(answer: bytes, flags: list[str]) -> None:
    """A status other than 200, or an empty line of daytime, fails the check."""
    with Peer(send(answer)) as peer:
        result = run(*flags, str(peer.port), "--check", "--host", "127.0.0.1")
    assert (result.returncode, result.stderr.endswith("wrong answer\n")) == (1, True)


@pytest.mark.parametrize(("host", "family"), [("", "6"), ("::", "any"), ("0.0.0.0", "any")])
def test_check_finds_the_address(serve: Serve, host: str, family: str) -> None:
    """`--check` takes the server's own settings and asks where that server listens."""
    flags = ["--host", host, "--family", family]
    server = serve("echo", *flags)
    assert run("echo", "--check", *flags, "--port", str(server.port)).returncode == 0


@pytest.mark.parametrize("service", ["echo", "daytime"])
def test_version_and_help(service: str) -> None:
    """`--version` names the service, `--help` every setting."""
    assert run(service, "--version").stdout.startswith(f"{service} ")
    assert "--drain-timeout" in run(service, "--help").stdout

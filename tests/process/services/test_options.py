"""Servers under a system that refuses socket options, as gVisor and seccomp profiles do."""

import errno
import fcntl
import socket
import subprocess
from functools import partial

import pytest

from process.services.kernel_limits import FCNTL, GETSOCKOPT, SETSOCKOPT, refuse
from server_process import (
    PYTHON,
    Serve,
    ServerProcess,
    environment,
    send_until_blocked,
    talk,
)

IPV4, IPV6, TCP, SOCKET = (
    socket.IPPROTO_IP,
    socket.IPPROTO_IPV6,
    socket.IPPROTO_TCP,
    socket.SOL_SOCKET,
)
# By name: level and number, as the kernel has them.
OPTIONAL = {
    name: (level, getattr(socket, name, 10))
    for level, names in {
        SOCKET: ["SO_REUSEADDR", "SO_OOBINLINE", "SO_RCVBUF", "SO_KEEPALIVE", "SO_LINGER"],
        TCP: [
            *("TCP_NODELAY", "TCP_NOTSENT_LOWAT", "TCP_KEEPIDLE", "TCP_KEEPINTVL"),
            *("TCP_KEEPCNT", "TCP_USER_TIMEOUT"),
        ],
        IPV4: ["IP_MTU_DISCOVER"],
    }.items()
    for name in names
}
REQUIRED = {
    "IPV6_V6ONLY": (IPV6, socket.IPV6_V6ONLY),
    "IPV6_RECVPKTINFO": (IPV6, socket.IPV6_RECVPKTINFO),
    "IP_PKTINFO": (IPV4, 8),
    "SO_REUSEPORT": (SOCKET, socket.SO_REUSEPORT),
}
ERRORS = ["ENOPROTOOPT", "EOPNOTSUPP", "EINVAL", "EPERM"]


def refuse_options(names: list[str], error: str) -> None:
    """Setting each of these options fails from now on."""
    for name in names:
        level, number = (OPTIONAL | REQUIRED)[name]
        refuse(SETSOCKOPT, {1: level, 2: number}, getattr(errno, error))


def is_served(server: ServerProcess) -> None:
    """A client of each kind is answered."""
    with server.connect() as client, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        talk(client)
        asking.settimeout(20)
        asking.connect(("127.0.0.1", server.port))
        asking.send(b"x")
        assert asking.recv(16) == b"x"


@pytest.mark.fault("a socket option that the system refuses, and the server can do without")
@pytest.mark.parametrize("name", OPTIONAL)
def test_a_refused_option_is_left_out(serve: Serve, name: str) -> None:
    """A server without an option that it can do without starts, and names the option."""
    error = ERRORS[list(OPTIONAL).index(name) % len(ERRORS)]
    before = partial(refuse_options, [name], error)
    server = serve("echo", "--udp", "--log-level", "debug", before=before)
    assert server.ready["refused_options"] == [name]
    is_served(server)
    (line,) = server.events("socket option refused")
    assert (line["level"], line["option"]) == ("debug", name)
    assert server.stop() == 0
    assert server.stderr == ""


@pytest.mark.parametrize("flags", [("--workers", "2"), ("--model", "threaded")])
def test_a_server_needs_none_of_the_refused_options(serve: Serve, flags: tuple[str, str]) -> None:
    """All options that a server can do without may be refused at once."""
    before = partial(refuse_options, list(OPTIONAL), "EPERM")
    server = serve("echo", "--udp", "--log-level", "debug", *flags, before=before, admin=True)
    assert server.ready["refused_options"] == sorted(OPTIONAL)
    is_served(server)
    assert server.ask_admin("/readyz")[0] == 200
    assert len(server.events("socket option refused")) == len(OPTIONAL)
    assert server.stop() == 0


def test_a_server_with_all_options_names_none(serve: Serve) -> None:
    """The ready line has the field only if an option is refused."""
    assert "refused_options" not in serve("echo", "--udp").ready


@pytest.mark.fault("a socket option that the system refuses, and the server needs")
@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("name", REQUIRED)
def test_a_refused_option_that_is_needed_is_named(name: str, error: str) -> None:
    """A server without an option that it needs does not start, and names the option."""
    flags = ["--workers", "2"] if name == "SO_REUSEPORT" else []
    result = subprocess.run(
        [PYTHON, "-m", "echo", "--port", "0", "--udp", *flags],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=20,
        preexec_fn=partial(refuse_options, [name], error),
    )
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith(f"echo: socket option {name}: ")
    assert result.stderr.count("\n") == 1
    assert "--port" not in result.stderr


def test_one_server_needs_no_shared_port(serve: Serve) -> None:
    """SO_REUSEPORT is needed only with workers."""
    is_served(serve("echo", "--udp", before=partial(refuse_options, ["SO_REUSEPORT"], "EPERM")))


@pytest.mark.fault("TCP_INFO is refused")
def test_without_tcp_info_a_client_who_does_not_read_is_reset(serve: Serve, model: str) -> None:
    """A server that cannot see what a client takes resets it after the stall timeout."""
    arguments = {1: TCP, 2: socket.TCP_INFO}
    before = partial(refuse, GETSOCKOPT, arguments, errno.EOPNOTSUPP)
    server = serve("echo", "--udp", "--stall-timeout", "1", "--model", model, before=before)
    assert server.ready["refused_options"] == ["TCP_INFO"]
    with server.connect() as client:
        send_until_blocked(client, bytes(64 << 20), 0.5)
        assert server.connections(1)[0]["ended"] == "stalled"
    is_served(server)


@pytest.mark.fault("the size of a pipe is refused (`evented`)")
def test_a_pipe_of_any_size_will_do(serve: Serve) -> None:
    """A server that may not enlarge its pipe echoes large messages all the same."""
    before = partial(refuse, FCNTL, {1: fcntl.F_SETPIPE_SZ}, errno.EINVAL)
    server = serve("echo", "--udp", "--log-level", "debug", before=before)
    with server.connect() as client:
        for _ in range(3):
            talk(client, bytes(range(256)) * 256)
    assert not server.events("splice refused")

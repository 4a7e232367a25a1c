"""Other servers that can be an echo or a daytime service, as Debian packages and commands.

A package is downloaded and unpacked with what it needs, and nothing is installed: no system's
configuration changes, and no daemon is left behind.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from subprocess import DEVNULL, Popen
from tempfile import TemporaryDirectory
from typing import NamedTuple

from server_process import wait_until

# TEST-NET-1 of RFC 5737. Not loopback, since openbsd-inetd answers no datagram from there.
HOST = "192.0.2.1"

# inetd has no other ports for its own services than those of /etc/services.
KNOWN, UNPRIVILEGED = {"echo": 7, "daytime": 13}, {"echo": 20007, "daytime": 20013}

INETD = """\
{HOST}:{service} stream tcp nowait root internal
{HOST}:{service} dgram udp wait root internal
"""
XINETD = """\
service {service}
{{
    id = {service}-{transport}
    type = INTERNAL UNLISTED
    bind = {HOST}
    port = {port}
    socket_type = {kind}
    protocol = {transport}
    wait = {wait}
    disable = no
}}
"""


class Missing(Exception):
    """A package that cannot be had here; one line."""


class Foreign(NamedTuple):
    """A server: its package, its ports by service, and its commands, given a directory."""

    package: str
    ports: dict[str, int]
    commands: Callable[[Path], list[list[str]]]


def openbsd_inetd(directory: Path) -> list[list[str]]:
    """inetd, in the foreground."""
    return [["usr/sbin/inetd", "-i", inetd_configuration(directory)]]


def inetutils_inetd(directory: Path) -> list[list[str]]:
    """GNU's inetd, in the foreground."""
    pid_file = f"--pidfile={directory / 'pid'}"
    return [["usr/sbin/inetutils-inetd", "--debug", pid_file, inetd_configuration(directory)]]


def inetd_configuration(directory: Path) -> str:
    """The file that tells an inetd to serve with its internal services."""
    file = directory / "inetd.conf"
    file.write_text("".join(INETD.format(HOST=HOST, service=service) for service in KNOWN))
    return str(file)


def xinetd(directory: Path) -> list[list[str]]:
    """xinetd with its internal services, in the foreground."""
    file = directory / "xinetd.conf"
    with file.open("w") as configuration:
        for service, port in UNPRIVILEGED.items():
            for transport, kind, wait in ("tcp", "stream", "no"), ("udp", "dgram", "yes"):
                configuration.write(
                    XINETD.format(
                        service=service,
                        port=port,
                        transport=transport,
                        kind=kind,
                        wait=wait,
                        HOST=HOST,
                    )
                )
    pid_file = str(directory / "pid")
    return [["usr/sbin/xinetd", "-dontfork", "-f", str(file), "-pidfile", pid_file]]


def socat(_: Path) -> list[list[str]]:
    """What its manual calls an echo, and date(1)."""
    programs = {"echo": "PIPE", "daytime": "EXEC:date"}
    return [
        ["usr/bin/socat", f"{listener}:{port},bind={HOST},reuseaddr,fork", programs[service]]
        for service, port in UNPRIVILEGED.items()
        for listener in ("TCP4-LISTEN", "UDP4-RECVFROM")
    ]


def ncat(_: Path) -> list[list[str]]:
    """cat(1) and date(1)."""
    programs = {"echo": "/bin/cat", "daytime": "/bin/date"}
    return [
        ["usr/bin/ncat", "--listen", "--keep-open", *over, "--exec", program, HOST, str(port)]
        for (service, program), port in zip(programs.items(), UNPRIVILEGED.values(), strict=True)
        for over in ([], ["--udp"])
    ]


SERVERS = (
    Foreign("openbsd-inetd", KNOWN, openbsd_inetd),
    Foreign("inetutils-inetd", KNOWN, inetutils_inetd),
    Foreign("xinetd", UNPRIVILEGED, xinetd),
    Foreign("socat", UNPRIVILEGED, socat),
    Foreign("ncat", UNPRIVILEGED, ncat),
)


def unpack(package: str, directory: Path) -> str:
    """Unpack a package below `directory`; its version. Raises Missing."""
    plan = output("apt-get", "--simulate", "--no-install-recommends", "install", package)
    names = {package, *re.findall(r"^Inst (\S+)", plan, re.MULTILINE)}
    with TemporaryDirectory(dir=directory) as downloads:
        output("apt-get", "download", *sorted(names), cwd=Path(downloads))
        for file in Path(downloads).glob("*.deb"):
            output("dpkg-deb", "--extract", str(file), str(directory))
        (file,) = Path(downloads).glob(f"{package}_*.deb")
        return output("dpkg-deb", "--field", str(file), "Version").strip()


def output(*command: str, cwd: Path | None = None) -> str:
    """What a command writes; raises Missing."""
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise Missing(f"there is no {command[0]}") from None
    if done.returncode:
        *_, reason = done.stderr.splitlines() or ["it does not say why"]
        raise Missing(f"{command[0]} failed: {reason}")
    return done.stdout


@contextmanager
def running(server: Foreign, directory: Path) -> Iterator[None]:
    """The server, unpacked below `directory`, from its listening to its end; raises Missing."""
    libraries = ":".join(map(str, directory.glob("usr/lib/*-linux-*")))
    with ExitStack() as stack:
        processes = [
            stack.enter_context(process([str(directory / program), *arguments], libraries))
            for program, *arguments in server.commands(directory)
        ]
        wait_until(lambda: is_bound(server) or has_ended(processes), f"{server.package} to listen")
        if has_ended(processes):
            raise Missing(f"{server.package} ended at once")
        yield


@contextmanager
def process(command: list[str], libraries: str) -> Iterator[Popen[bytes]]:
    """A process and all that it starts, killed at the end."""
    environment = {**os.environ, "LD_LIBRARY_PATH": libraries}
    started = Popen(command, env=environment, stdout=DEVNULL, stderr=DEVNULL, process_group=0)
    try:
        yield started
    finally:
        with suppress(ProcessLookupError):  # it ended by itself
            os.killpg(started.pid, signal.SIGKILL)
        started.wait()


def has_ended(processes: list[Popen[bytes]]) -> bool:
    """Whether one of them has."""
    return any(each.poll() is not None for each in processes)


def is_bound(server: Foreign) -> bool:
    """Whether sockets listen at all of its ports, over TCP and UDP."""
    return all(
        re.search(
            rf":{port:04X} 00000000:0000 {state} ", Path(f"/proc/net/{transport}").read_text()
        )
        for port in server.ports.values()
        for transport, state in (("tcp", "0A"), ("udp", "07"))
    )

"""A real server as a child process, and what can be seen of it from outside."""

import contextlib
import ctypes
import fcntl
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from children import children, end
from scripts.parent import end_with

SERVICES = Path(__file__).parents[2] / "services"

# The interpreter that serves; the images' own, say.
PYTHON = os.environ.get("SERVER_PYTHON", sys.executable)

# The main thread, and the one that waits for signals.
THREADS_AT_REST = 2

# States of a socket, as /proc/net/tcp has them.
SYN_SENT, LISTEN = "02", "0A"

# Linux's number; Python has no function for it.
PIDFD_GETFD = 438

# How old the numbers of /metrics may be; with workers twice as old.
METRICS_AGE_S = 0.25

# Long enough for a busy machine; what works ends far sooner.
PATIENCE_S = 20.0


def wait_until(condition: Callable[[], Any], what: str, patience_s: float = PATIENCE_S) -> Any:
    """Poll a condition until it holds; its value."""
    deadline = time.monotonic() + patience_s
    while not (value := condition()):
        assert time.monotonic() < deadline, f"waited {patience_s} s for: {what}"
        time.sleep(0.01)
    return value


def environment(**variables: str) -> dict[str, str]:
    """The environment of a child: ours, without what would be a setting, or hide its modules."""
    left_out = {"TZ", "PYTHONSAFEPATH"}
    kept = {k: v for k, v in os.environ.items() if not k.startswith("SERVE_") and k not in left_out}
    return kept | {"PYTHONPATH": str(SERVICES)} | variables


class ServerProcess:
    """`python -m SERVICE` on a port of its own; log lines are collected as they come."""

    def __init__(
        self,
        service: str,
        *flags: str,
        env: dict[str, str] | None = None,
        before: Callable[[], None] | None = None,
        admin: bool = False,
        program: str | None = None,
    ) -> None:
        # The admin port cannot be 0, which means none; so one that was free a moment ago.
        self.admin_port = free_port() if admin else 0
        parent = os.getpid()

        def prepare() -> None:
            end_with(parent)  # first, while it has all its privileges and limits
            if before:
                before()

        self.lines: list[dict[str, Any]] = []
        self.process = subprocess.Popen(
            [
                *([PYTHON, program] if program else [PYTHON, "-m", service]),
                *["--port", "0", "--admin-port", str(self.admin_port), *flags],
            ],
            env=environment(**(env or {})),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=prepare,
        )
        assert self.process.stdout
        # Room for thousands of lines: a reader that a busy machine holds up must lose none. A user
        # who has large pipes enough already is refused one more.
        if sys.platform == "linux":
            with contextlib.suppress(PermissionError):
                fcntl.fcntl(self.process.stdout, fcntl.F_SETPIPE_SZ, 1 << 20)
        self.stderr = ""
        self._readers = [
            threading.Thread(target=self._read_log, daemon=True),
            threading.Thread(target=self._read_stderr, daemon=True),
        ]
        for reader in self._readers:
            reader.start()
        try:
            ready = wait_until(lambda: self.events("ready") or self.exited(), "the ready line")
        except BaseException:
            self.end()
            raise
        self.ready = ready[0]
        self.port = int(self.ready["address"].rpartition(":")[2])

    def events(self, event: str) -> list[dict[str, Any]]:
        """The log lines of one event so far."""
        return [line for line in self.lines if line["event"] == event]

    def connections(self, count: int) -> list[dict[str, Any]]:
        """The lines of finished connections, once there are this many."""
        return list(
            wait_until(
                lambda: len(lines := self.events("connection")) >= count and lines,
                f"{count} connection lines",
            )
        )

    def connect(self, host: str = "127.0.0.1", timeout: float = PATIENCE_S) -> socket.socket:
        """A connected caller."""
        return socket.create_connection((host, self.port), timeout)

    def __enter__(self) -> "ServerProcess":
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def connect_admin(self) -> socket.socket:
        """A client of the admin port."""
        return socket.create_connection(("127.0.0.1", self.admin_port), PATIENCE_S)

    def ask_admin(self, path: str) -> tuple[int, str]:
        """Status and body of a page of the admin port."""
        with self.connect_admin() as asking:
            asking.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
            head, _, body = receive_all(asking).decode().partition("\r\n\r\n")
        return int(head.split()[1]), body

    def metrics(self) -> str:
        """The text of /metrics, computed after this call."""
        time.sleep(METRICS_AGE_S)
        status, text = self.ask_admin("/metrics")
        assert status == 200
        return text

    def samples(self) -> dict[str, int]:
        """The numbers of /metrics, by name and labels."""
        found = re.findall(r"^small_services_(\S+) (\d+)$", self.metrics(), re.MULTILINE)
        return {name: int(value) for name, value in found}

    def send(self, number: int = signal.SIGTERM) -> None:
        """Send the process a signal."""
        self.process.send_signal(number)

    def wait(self) -> int:
        """The exit status, with all log lines read."""
        status = self.process.wait(PATIENCE_S)
        for reader in self._readers:
            reader.join(PATIENCE_S)
        return status

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ask the process to end; its exit status."""
        self.send(number)
        return self.wait()

    def exited(self) -> list[Any]:
        """Fails once the process has ended, which no test waits for unawares."""
        if self.process.poll() is not None:
            raise AssertionError(f"server ended with {self.wait()}: {self.stderr}")
        return []

    def children(self) -> list[int]:
        """The processes that it has started, in the order of their birth; [] if nobody tells."""
        return children(self.process.pid)

    def workers(self) -> list[int]:
        """The children that wait for callers, once they are as many as were asked for."""

        def serving() -> list[int]:
            found = [pid for pid in self.children() if "anon_inode:[eventpoll]" in open_files(pid)]
            return found if len(found) == self.ready["workers"] else []

        return list(wait_until(serving, "all workers"))

    def descriptors(self, pid: int | None = None) -> int:
        """How many descriptors the process, or a child, has open."""
        return len(list(Path(f"/proc/{pid or self.process.pid}/fd").iterdir()))

    def threads(self) -> int:
        """How many threads the process has."""
        return len(list(Path(f"/proc/{self.process.pid}/task").iterdir()))

    def baseline(self) -> int:
        """The descriptors that are open once no caller's thread is left."""
        wait_until(lambda: self.threads() == THREADS_AT_REST, "the end of the callers' threads")
        return self.descriptors()

    def returns_to(self, baseline: int) -> None:
        """Wait until nothing of a caller is left, neither descriptor nor thread."""
        wait_until(
            lambda: (self.descriptors(), self.threads()) == (baseline, THREADS_AT_REST),
            "the baseline",
        )

    def accepted(self) -> list[socket.socket]:
        """Duplicates of the sockets on which the process has callers (pidfd_getfd(2))."""
        libc, process = ctypes.CDLL(None, use_errno=True), os.pidfd_open(self.process.pid)
        found = []
        for entry in Path(f"/proc/{self.process.pid}/fd").iterdir():
            if str(entry.readlink()).startswith("socket:"):
                descriptor = libc.syscall(PIDFD_GETFD, process, int(entry.name), 0)
                assert descriptor >= 0, os.strerror(ctypes.get_errno())
                found.append(socket.socket(fileno=descriptor))
        os.close(process)
        for each in found:
            if each.type != socket.SOCK_STREAM or each.getsockopt(
                socket.SOL_SOCKET, socket.SO_ACCEPTCONN
            ):
                each.close()
        return [each for each in found if each.fileno() >= 0]

    def cpu_seconds(self, pid: int | None = None) -> float:
        """The processor time that the process, or a child, has used, in user and system mode."""
        stat = Path(f"/proc/{pid or self.process.pid}/stat").read_text()
        fields = stat.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def is_at_rest(self) -> bool:
        """Whether it leaves the processor alone for half a second, but for a tenth of that."""
        before = self.cpu_seconds()
        time.sleep(0.5)
        return self.cpu_seconds() - before <= 0.05

    def peak_memory(self) -> int:
        """The most resident memory that the process ever had, bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) * 1024

    def end(self) -> None:
        """Kill the process if it still runs, and its children with it."""
        end(self.process)
        self.wait()
        for stream in (self.process.stdout, self.process.stderr):
            if stream:
                stream.close()

    def _read_log(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.append(json.loads(line))

    def _read_stderr(self) -> None:
        assert self.process.stderr
        for line in self.process.stderr:
            self.stderr += line


def signal_until_ended(server: ServerProcess, number: int = signal.SIGTERM) -> int:
    """Send a signal again and again, since at first it counts as a repeat; the exit status."""

    def ended() -> bool:
        server.send(number)
        return server.process.poll() is not None

    wait_until(ended, "the end")
    return server.wait()


Serve = Callable[..., ServerProcess]  # what the fixture `serve` gives: called like the class


def free_port() -> int:
    """A port that nobody listened on a moment ago, and that the system gives to nobody by itself:
    it is below those that Linux chooses from.
    """
    while True:
        with contextlib.suppress(OSError):
            port = random.randrange(10_000, 30_000)
            socket.create_server(("", port)).close()
            return port


# What has ended, and is not yet waited for: it is there no more, or is root's.
GONE = (FileNotFoundError, ProcessLookupError, PermissionError)


def open_files(pid: int) -> list[str]:
    """What a process has open, `socket:[4711]` say; nothing once it has ended."""
    files = []
    with contextlib.suppress(*GONE):
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(*GONE):  # closed meanwhile
                files.append(str(link.readlink()))
    return files


def is_running(pid: int) -> bool:
    """Whether a process is there, and has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def listening_port(pid: int) -> int:
    """The port that a process without a ready line listens on, 0 if there is none yet."""
    return next((port for port, state in tcp_sockets(pid) if state == LISTEN), 0)


def is_connecting(pid: int) -> bool:
    """Whether a process waits for an answer to its SYN."""
    return any(state == SYN_SENT for _, state in tcp_sockets(pid))


def is_sleeping(pid: int) -> bool:
    """Whether the first thread of a process waits for something."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "S"


def is_writing(pid: int) -> bool:
    """Whether the first thread of a process waits for room in a pipe."""
    return "pipe_write" in Path(f"/proc/{pid}/wchan").read_text()


def tcp_sockets(pid: int) -> Iterator[tuple[int, str]]:
    """Local port and state of each of a process's TCP sockets."""
    sockets = open_files(pid)
    for table in ("tcp", "tcp6"):
        for row in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *rest = row.split()
            if f"socket:[{rest[5]}]" in sockets:
                yield int(local.rpartition(":")[2], 16), state


def refuses(port: int) -> bool:
    """Whether nobody listens on the port any more."""
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
    except OSError:
        return True
    return False


def talk(caller: socket.socket, data: bytes = b"x") -> None:
    """Have something echoed, so that the caller is known to be served."""
    caller.sendall(data)
    assert receive_exactly(caller, len(data)) == data


def receive_all(connection: socket.socket) -> bytes:
    """Everything until the end of input."""
    received = bytearray()
    while data := connection.recv(1 << 16):
        received += data
    return bytes(received)


def receive_exactly(connection: socket.socket, size: int) -> bytes:
    """That many bytes, or fewer if input ends before."""
    received = bytearray()
    while len(received) < size and (data := connection.recv(size - len(received))):
        received += data
    return bytes(received)


def send_until_blocked(connection: socket.socket, data: bytes, timeout: float) -> int:
    """Send until the peer takes nothing for that long, seconds; the number of bytes sent."""
    connection.settimeout(timeout)
    sent = 0
    try:
        while sent < len(data):
            sent += connection.send(data[sent : sent + (1 << 20)])
    except TimeoutError:
        pass
    connection.settimeout(PATIENCE_S)
    return sent

"""make run: whatever ends it ends both servers, with all their processes."""

import fcntl
import json
import os
import pty
import shutil
import signal
import socket
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from subprocess import PIPE, Popen

import pytest

from server_process import (
    PATIENCE_S,
    SERVICES,
    environment,
    is_running,
    receive_all,
    refuses,
    talk,
    wait_until,
)

ROOT = SERVICES.parent
RUNNER = (sys.executable, "-m", "scripts.run")
MAKE = ("make", "--no-print-directory", f"PYTHON={sys.executable}", "run")

# A server ignores a second signal within 0.5 s of the first.
SECOND_SIGNAL_S = 0.6

STOPS = [signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM]

pytestmark = pytest.mark.usefixtures("interruptible")


class Run:
    """A runner, the ports of its servers by name, and all processes below it."""

    def __init__(self, process: Popen[str], below: int) -> None:
        self.process = process
        assert process.stdout
        events = [json.loads(process.stdout.readline()) for _ in range(2)]
        self.ports = {each["service"]: int(each["address"].rpartition(":")[2]) for each in events}
        pid = process.pid
        wait_until(lambda: len(descendants(pid)) == below, f"{below} processes")
        self.pids = descendants(pid)

    def is_gone(self) -> bool:
        """Return whether no process below the runner is left."""
        return not any(map(is_running, self.pids))

    def finish(self) -> tuple[int, list[str], str]:
        """Wait for the end. Returns the exit status, the events of the log lines, and stderr."""
        out, err = self.process.communicate(timeout=PATIENCE_S)
        events = [json.loads(line)["event"] for line in out.splitlines()]
        return self.process.returncode, sorted(events), err


@contextmanager
def running(
    *command: str,
    directory: Path = ROOT,
    terminal: int | None = None,
    workers: int = 1,
    **variables: str,
) -> Iterator[Run]:
    """Start a runner; at the end of the context kill what the runner should have ended."""
    # Without PYTHONPATH, and without the variables of a make that runs these tests.
    kept = environment(SERVE_PORT="0", SERVE_WORKERS=str(workers), **variables)
    kept = {k: v for k, v in kept.items() if k != "PYTHONPATH" and not k.startswith("MAKE")}
    with Popen(
        command,
        cwd=directory,
        env=kept,
        stdin=terminal,
        stdout=PIPE,
        stderr=PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=None if terminal is None else control_terminal,
    ) as process:
        pids: list[int] = []
        try:
            each = 1 if workers == 1 else 1 + workers
            run = Run(process, 2 * each + (command == MAKE))
            pids = run.pids
            yield run
        finally:
            for pid in [process.pid, *(pids or descendants(process.pid))]:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def control_terminal() -> None:
    """Make stdin the controlling terminal of this session, and this its foreground process."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def descendants(pid: int) -> list[int]:
    """Return all processes below a process."""
    found = [pid]
    for parent in found:
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            with suppress(FileNotFoundError, ProcessLookupError):  # it has ended
                found += map(int, children.read_text().split())
    return found[1:]


@pytest.mark.parametrize("number", STOPS, ids=lambda each: each.name)
def test_a_signal_stops_both_servers(number: signal.Signals) -> None:
    """A signal to the runner stops both servers in order, with all workers."""
    with running(*RUNNER, workers=2) as run:
        run.process.send_signal(number)
        assert run.finish() == (0, ["stopped", "stopped"], "")
        assert run.is_gone()


@pytest.mark.fault("`make run` is killed (SIGKILL of make or of its script; Linux)")
@pytest.mark.parametrize("command", [RUNNER, MAKE], ids=["runner", "make"])
def test_a_killed_runner_leaves_no_server(command: tuple[str, ...]) -> None:
    """SIGKILL of the runner, or of make, ends both servers with all workers."""
    with running(*command, workers=2) as run:
        run.process.kill()
        wait_until(run.is_gone, "the end of all processes")


@pytest.mark.fault("the terminal of `make run` closes")
def test_a_closed_terminal_leaves_no_server() -> None:
    """A terminal that closes ends make, the runner and both servers."""
    ours, theirs = pty.openpty()
    with running(*MAKE, terminal=theirs, workers=2) as run:
        os.close(theirs)
        os.close(ours)
        wait_until(run.is_gone, "the end of all processes")


def test_ctrl_c_is_one_stop() -> None:
    """A Ctrl-C in the terminal stops both servers in order."""
    ours, theirs = pty.openpty()
    with running(*MAKE, terminal=theirs) as run:
        os.write(ours, b"\x03")
        _, events, _ = run.finish()
        assert events == ["stopped", "stopped"]
        assert run.is_gone()
    os.close(theirs)
    os.close(ours)


def test_a_second_signal_ends_at_once() -> None:
    """A second signal to the runner ends a server that still drains, and the exit status is 1."""
    with running(*RUNNER, SERVE_DRAIN_TIMEOUT="600") as run:
        with socket.create_connection(("127.0.0.1", run.ports["echo"])) as caller:
            talk(caller)
            run.process.send_signal(signal.SIGINT)
            wait_until(lambda: refuses(run.ports["echo"]), "the first signal")
            time.sleep(SECOND_SIGNAL_S)
            run.process.send_signal(signal.SIGINT)
            status, events, err = run.finish()
        assert (status, events, err) == (1, ["stopped"], "")


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT])
def test_an_ignored_signal_stays_ignored(number: signal.Signals) -> None:
    """A signal that nohup or a shell had ignored at the start stops nothing."""
    signal.signal(number, signal.SIG_IGN)  # the fixture restores it
    with running(*RUNNER) as run:
        run.process.send_signal(number)
        with socket.create_connection(("127.0.0.1", run.ports["echo"])) as caller:
            talk(caller)
        run.process.terminate()
        assert run.finish() == (0, ["connection", "stopped", "stopped"], "")


@pytest.mark.fault("both servers of `make run` end at the same moment")
def test_servers_that_end_together() -> None:
    """Two servers that end at the same moment end the runner with 1 and no traceback."""
    with running(*RUNNER) as run:
        run.process.send_signal(signal.SIGSTOP)
        for pid in run.pids:
            os.kill(pid, signal.SIGKILL)
        wait_until(run.is_gone, "the end of both servers")
        run.process.send_signal(signal.SIGCONT)
        assert run.finish() == (1, [], "")


def test_a_server_that_ends_stops_the_other() -> None:
    """If a server ends, the runner stops the other and exits with 1."""
    with running(*RUNNER) as run:
        os.kill(run.pids[0], signal.SIGKILL)
        assert run.finish() == (1, ["stopped"], "")


def test_a_halted_server_stops_nothing() -> None:
    """A server that is halted and continued has not ended: the runner goes on."""
    with running(*RUNNER) as run:
        for number in (signal.SIGSTOP, signal.SIGCONT):
            os.kill(run.pids[0], number)
        with socket.create_connection(("127.0.0.1", run.ports["daytime"])) as caller:
            assert receive_all(caller)
        run.process.terminate()
        assert run.finish() == (0, ["connection", "stopped", "stopped"], "")


def test_any_directory_and_environment(tmp_path: Path) -> None:
    """`make run` works in a path with spaces and a colon, and with Python's safe path."""
    hidden = shutil.ignore_patterns(".*", "__pycache__")
    copy = shutil.copytree(ROOT, tmp_path / "it's a: path", ignore=hidden)
    with running(*MAKE, directory=copy, PYTHONSAFEPATH="1", PYTHONDONTWRITEBYTECODE="1") as run:
        run.process.terminate()
        assert run.finish()[1] == ["stopped", "stopped"]
    assert not list(copy.rglob("__pycache__"))

"""Callers who cannot be accepted, or come all at once: nobody is refused, nothing spins."""

import errno
import os
import re
import signal
import subprocess
import threading
from collections import Counter
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from children import running
from server_process import (
    PATIENCE_S,
    PYTHON,
    Serve,
    ServerProcess,
    environment,
    free_port,
    receive_all,
    wait_until,
)

FAULTY, UNWATCHED = (str(Path(__file__).parent / f"{name}.py") for name in ("faulty", "unwatched"))


def accept_errors(server: ServerProcess) -> dict[str, int]:
    """How many callers there were no means for, by error."""
    found = re.findall(r'accept_errors_total\{error="(\w+)"\} (\d+)', server.metrics())
    return {error: int(count) for error, count in found}


def told(server: ServerProcess) -> Counter[str]:
    """How many lines tell of each of these errors."""
    return Counter(line["error"] for line in server.events("accept failed"))


@pytest.mark.fault("EMFILE, ENFILE, ENOBUFS, ENOMEM, ENOSR, EACCES, EPERM (injected)")
def test_out_of_means_is_logged_once_and_outlived(serve: Serve, model: str) -> None:
    """Each kind of exhaustion, and of prohibition, is counted every time and logged once in 10 s;
    the caller waits in the backlog meanwhile, and is served once that has passed.
    """
    faults = ["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM", "ENOSR", "EACCES", "EPERM"] * 2
    env = {"FAULTS": " ".join(["_accept", *faults])}
    server = serve("echo", "--model", model, program=FAULTY, env=env, admin=True)
    with server.connect() as caller:
        wait_until(lambda: len(told(server)) == 7, "a line of each kind")
        caller.sendall(b"x")
        assert caller.recv(1) == b"x"
    assert told(server) == {os.strerror(getattr(errno, name)): 1 for name in faults}
    assert accept_errors(server) == dict.fromkeys(faults, 2)
    assert server.stop() == 0


@pytest.mark.fault("a client that left the backlog (ECONNABORTED and others, injected)")
def test_a_caller_who_left_the_queue_is_skipped(serve: Serve, model: str) -> None:
    """A connection that was aborted before its accept, or that its network lost, is nobody's
    error: the next in the queue is served, and nothing is logged.
    """
    faults = ["ECONNABORTED", "EPROTO", "ENETDOWN", "EHOSTUNREACH", "EPROTONOSUPPORT"]
    env = {"FAULTS": " ".join(["_accept", *faults])}
    server = serve("echo", "--model", model, program=FAULTY, env=env)
    with server.connect() as caller:
        caller.sendall(b"x")
        assert caller.recv(1) == b"x"
    assert server.stop() == 0
    assert [line["event"] for line in server.lines] == ["ready", "connection", "stopped"]


@pytest.mark.fault("500 connects at once")
@pytest.mark.usefixtures("own_network")
def test_a_burst_of_callers_is_answered(serve: Serve, model: str) -> None:
    """500 callers at once, before the first is accepted, all find room in the backlog, and all
    are answered.
    """
    server = serve("daytime", "--model", model)
    server.send(signal.SIGSTOP)
    with ExitStack() as stack:
        # A full queue drops SYNs as long as the server is stopped: a connect would time out.
        callers = [stack.enter_context(server.connect()) for _ in range(500)]
        server.send(signal.SIGCONT)
        for caller in callers:
            assert receive_all(caller).endswith(b"\r\n")
            caller.close()
    assert len(server.connections(500)) == 500


@pytest.mark.fault("restarts under traffic")
def test_twenty_restarts_under_traffic(serve: Serve) -> None:
    """A server whose callers never pause finds its port free each time that it starts anew."""
    port, over = 0, threading.Event()
    answers: list[bytes] = []

    def call() -> None:
        while not over.wait(0.005):
            with suppress(OSError), server.connect() as caller:
                answers.append(receive_all(caller))

    server = serve("daytime", "--port", str(free_port()))
    callers = [threading.Thread(target=call) for _ in range(2)]
    for each in callers:
        each.start()
    try:
        for _ in range(20):
            port, enough = server.port, len(answers) + 10
            wait_until(lambda: len(answers) >= enough, "traffic")  # noqa: B023
            assert server.stop() == 0
            server = serve("daytime", "--port", str(port))
            assert server.port == port
    finally:
        over.set()
        for each in callers:
            each.join()


@pytest.mark.fault("accept without memory in Python (injected)")
def test_no_memory_for_an_accept_is_outlived(serve: Serve, model: str) -> None:
    """Python's lack of memory in an accept is counted like the kernel's, and the caller waits."""
    env = {"FAULTS": "_accept MEMORY"}
    server = serve("echo", "--model", model, program=FAULTY, env=env, admin=True)
    with server.connect() as caller:
        caller.sendall(b"x")
        assert caller.recv(1) == b"x"
    assert 'accept_errors_total{error="ENOMEM"} 1\n' in server.metrics()


@pytest.mark.fault("no epoll watch at the start (injected; `evented`)")
@pytest.mark.parametrize("workers", ["1", "2"])
def test_no_watch_at_the_start_is_a_line(workers: str) -> None:
    """An `evented` server that may watch nothing says so in a line, and does not serve."""
    program = [PYTHON, UNWATCHED, "--port", "0", "--workers", workers]
    output: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    with running(program, env=environment(NONE="1"), **output) as process:
        assert process.stderr
        who = "echo" if workers == "1" else "worker [12]"
        line = process.stderr.readline()
        assert re.fullmatch(f"{who}: epoll watch: no space left on device\n", line)
        process.terminate()
        assert process.wait(PATIENCE_S) == 1


@pytest.mark.fault("no further epoll watch (max_user_watches, injected; `evented`)")
def test_accepting_resumes_without_a_further_watch(serve: Serve) -> None:
    """Where other processes have used up what the user may watch, an `evented` server that was
    full accepts again all the same.
    """
    server = serve("echo", "--model", "evented", "--max-connections", "1", program=UNWATCHED)
    with server.connect() as first, server.connect() as second:
        for caller in (first, second):
            caller.sendall(b"x")
            assert caller.recv(1) == b"x"
            caller.close()
    assert server.stop() == 0
    assert server.stderr == ""

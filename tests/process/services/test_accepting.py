"""Accepting: many clients at once, the connection limit, and a lack of descriptors or memory."""

import errno
import os
import re
import resource
import select
import signal
import socket
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
    receive_exactly,
    send_until_blocked,
    wait_until,
)

MIB = 1 << 20

FAULTY, UNWATCHED = (str(Path(__file__).parent / f"{name}.py") for name in ("faulty", "unwatched"))


def is_silent(caller: socket.socket) -> bool:
    """Whether nothing comes for half a second."""
    return not select.select([caller], [], [], 0.5)[0]


def test_iterative_makes_the_next_caller_wait(serve: Serve) -> None:
    """One caller at a time: the second is served once the first has closed."""
    server = serve("echo", "--model", "iterative")
    with server.connect() as first, server.connect() as second:
        first.sendall(b"1")
        assert first.recv(1) == b"1"
        second.sendall(b"2")
        assert is_silent(second)
        first.close()
        assert second.recv(1) == b"2"


@pytest.mark.fault("silent or blocked clients beside others (`threaded`, `evented`)")
def test_a_silent_caller_holds_up_nobody(serve: Serve, concurrent_model: str) -> None:
    """A hundred callers who say nothing do not keep the next from being served."""
    server = serve("echo", "--model", concurrent_model)
    silent = [server.connect() for _ in range(100)]
    with server.connect() as caller:
        caller.sendall(b"x")
        assert caller.recv(1) == b"x"
    for each in silent:
        each.close()


@pytest.mark.fault("silent or blocked clients beside others (`threaded`, `evented`)")
def test_a_caller_who_does_not_read_holds_up_nobody(serve: Serve, concurrent_model: str) -> None:
    """E4: one blocked reply leaves all other callers their speed."""
    server = serve("echo", "--model", concurrent_model)
    with server.connect() as blocked, server.connect() as caller:
        send_until_blocked(blocked, bytes(64 * MIB), 0.5)
        for _ in range(100):
            caller.sendall(b"x")
            assert caller.recv(1) == b"x"


def test_parallel_callers_do_not_mix(serve: Serve, concurrent_model: str) -> None:
    """E1: fifty callers at once each get their own bytes."""
    server = serve("echo", "--model", concurrent_model)
    wrong: list[int] = []

    def call(number: int) -> None:
        data = bytes([number]) * MIB
        with server.connect() as caller:
            sender = threading.Thread(target=caller.sendall, args=[data], daemon=True)
            sender.start()
            if receive_exactly(caller, MIB) != data:
                wrong.append(number)

    callers = [threading.Thread(target=call, args=[number]) for number in range(50)]
    for each in callers:
        each.start()
    for each in callers:
        each.join()
    assert wrong == []
    assert {line["bytes_out"] for line in server.connections(50)} == {MIB}


@pytest.mark.fault("more clients than the connection limit")
def test_at_the_cap_callers_wait_in_the_backlog(serve: Serve, concurrent_model: str) -> None:
    """The third of two allowed callers is neither refused nor served, until one has closed."""
    server = serve("echo", "--model", concurrent_model, "--max-connections", "2")
    with (
        server.connect() as first,
        server.connect() as second,
        server.connect() as third,
    ):
        for caller in (first, second):
            caller.sendall(b"x")
            assert caller.recv(1) == b"x"
        third.sendall(b"3")
        assert is_silent(third)
        first.close()
        assert third.recv(1) == b"3"
        second.sendall(b"2")
        assert second.recv(1) == b"2"


@pytest.mark.fault("a connection limit above the descriptor limit")
def test_the_cap_stays_below_the_descriptor_limit(serve: Serve, concurrent_model: str) -> None:
    """No cap is above what RLIMIT_NOFILE leaves; callers beyond it wait and are served."""
    server = serve(
        "echo",
        "--model",
        concurrent_model,
        before=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40)),
    )
    assert server.ready["max_connections"] == 8
    callers = [server.connect() for _ in range(30)]
    for caller in callers:
        caller.sendall(b"x")
        assert caller.recv(1) == b"x"
        caller.close()
    assert len(server.connections(30)) == 30


@pytest.mark.fault("no file descriptor left (EMFILE)")
def test_out_of_descriptors(serve: Serve, model: str) -> None:
    """Without descriptors the server rests, says so once, and goes on when there are some."""
    server = serve("echo", "--model", model, admin=False)
    with server.connect() as caller:
        caller.sendall(b"x")
        assert caller.recv(1) == b"x"
    server.connections(1)
    pid = server.process.pid
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (server.descriptors(), 20_000))
    with server.connect() as waiting:
        wait_until(lambda: server.events("accept failed"), "the log line")
        assert server.is_at_rest()
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (1024, 20_000))
        waiting.sendall(b"y")
        assert waiting.recv(1) == b"y"
    assert len(server.events("accept failed")) == 1
    assert server.stop() == 0


@pytest.mark.fault("no further thread (`threaded`)")
def test_a_thread_that_cannot_be_started_delays_the_accept(serve: Serve) -> None:
    """Where the system gives no further thread, callers wait and the server lives."""
    server = serve(
        "echo",
        "--model",
        "threaded",
        # The address space of the interpreter and a few thread stacks.
        before=lambda: resource.setrlimit(resource.RLIMIT_AS, (100 * MIB, 100 * MIB)),
    )
    callers = [server.connect() for _ in range(40)]
    wait_until(lambda: server.events("thread not started"), "the limit")
    server.send()  # for which there is no further thread either
    for caller in callers:
        caller.sendall(b"x")
        caller.shutdown(socket.SHUT_WR)
        assert receive_all(caller) == b"x"
        caller.close()
    assert len(server.events("thread not started")) == 1
    assert server.wait() == 0


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

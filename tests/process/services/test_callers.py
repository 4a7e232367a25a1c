"""Many callers at once: who waits for whom, and what happens at the cap."""

import resource
import select
import socket
import threading

import pytest

from server_process import Serve, receive_all, receive_exactly, send_until_blocked, wait_until

MIB = 1 << 20


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

"""Workers: sharing, death and replacement, liveness, and the drain."""

import os
import resource
import select
import signal
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from children import running
from server_process import (
    PYTHON,
    Serve,
    ServerProcess,
    environment,
    free_port,
    is_running,
    open_files,
    receive_all,
    refuses,
    signal_until_ended,
    talk,
    wait_until,
)

# So many that chance alone gives no worker less than a third of them: with 64 it would, once in a
# hundred runs.
CALLERS = 256

DYING, FAULTY, STALLING = (
    str(Path(__file__).parent / f"{name}.py") for name in ("dying", "faulty", "stalling")
)

DATA = bytes(range(256)) * 40
CLIENTS = 8

# IPv4, so that a connection's peer stands in one table.
TWO = ("--workers", "2", "--host", "127.0.0.1")


def sender(server: ServerProcess) -> socket.socket:
    """A UDP socket that asks the server."""
    asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    asking.settimeout(20)
    asking.connect(("127.0.0.1", server.port))
    return asking


def readable(sockets: list[socket.socket]) -> int:
    """On how many of the sockets something has come."""
    return len(select.select(sockets, [], [], 0)[0])


@pytest.mark.fault("many long connections, many senders of datagrams")
def test_two_workers_share_the_callers(serve: Serve) -> None:
    """Of many long connections each of two workers has between a third and two thirds; when they
    have ended, each has the descriptors of before.
    """
    server = serve("echo", "--workers", "2")
    for _ in range(20):  # so that both have opened all that they need to serve
        with server.connect() as caller:
            talk(caller)
    server.connections(20)
    before = {pid: server.descriptors(pid) for pid in server.workers()}
    with ExitStack() as stack:
        for _ in range(CALLERS):
            talk(stack.enter_context(server.connect()))
        shares = {pid: server.descriptors(pid) - before[pid] for pid in before}
        assert sum(shares.values()) == CALLERS
        assert all(CALLERS / 3 <= share <= CALLERS * 2 / 3 for share in shares.values())
    wait_until(lambda: {pid: server.descriptors(pid) for pid in before} == before, "the baseline")
    assert server.workers() == list(before)


@pytest.mark.parametrize("service", ["daytime", "echo"])
def test_workers_end_with_their_server(serve: Serve, service: str) -> None:
    """SIGTERM ends all processes of an idle server: status 0, one first and one last line, and
    nothing on stderr.
    """
    server = serve(service, "--workers", "3", "--udp", admin=True)
    children = wait_until(lambda: len(pids := server.children()) == 4 and pids, "all processes")
    with server.connect() as caller:
        caller.shutdown(socket.SHUT_WR)
        receive_all(caller)
    assert server.stop() == 0
    assert not any(map(is_running, children))
    assert Counter(line["event"] for line in server.lines if line["event"] != "connection") == {
        "ready": 1,
        "stopped": 1,
    }
    assert server.ready["workers"] == 3
    assert server.stderr == ""


def test_ready_is_the_first_line(serve: Serve) -> None:
    """Callers who come before the last of many workers is there leave their lines after it."""
    port, over = free_port(), threading.Event()

    def call() -> None:
        while not over.is_set():
            with suppress(OSError), socket.create_connection(("127.0.0.1", port)) as caller:
                talk(caller)

    early = threading.Thread(target=call)
    early.start()
    try:
        server = serve("echo", "--workers", "32", "--port", str(port))
        server.connections(1)
    finally:
        over.set()
        early.join()
    assert server.lines[0]["event"] == "ready"


def test_one_worker_is_no_further_process(serve: Serve) -> None:
    """By default a server is one process, whatever else it serves."""
    server = serve("echo", "--udp", admin=True)
    assert server.children() == []
    assert "workers" not in server.ready


def test_idle_workers_are_at_rest(serve: Serve) -> None:
    """Neither the supervisor nor a worker costs an idle server anything."""
    server = serve("echo", "--workers", "2", "--udp", admin=True)
    pids = [server.process.pid, *server.workers()]

    def seconds() -> float:
        return sum(server.cpu_seconds(pid) for pid in pids)

    def are_at_rest() -> bool:
        before = seconds()
        time.sleep(0.5)
        return seconds() - before <= 0.05

    wait_until(are_at_rest, "all to be at rest, once they have started")


def test_all_workers_drain(serve: Serve) -> None:
    """After SIGTERM nobody new is let in, and callers of all workers are served to the end."""
    server = serve("echo", "--workers", "2", admin=True)
    with ExitStack() as stack:
        callers = [stack.enter_context(server.connect()) for _ in range(16)]
        for caller in callers:
            talk(caller)
        server.send()
        wait_until(lambda: refuses(server.port), "the closed listeners")
        assert server.ask_admin("/readyz")[0] == 503
        assert server.ask_admin("/livez")[0] == 200
        for caller in callers:
            talk(caller)
    assert server.wait() == 0
    assert server.lines[-1]["cut"] == 0
    assert Counter(line["ended"] for line in server.events("connection")) == {"done": 16}


def test_who_is_cut_is_summed(serve: Serve) -> None:
    """The last line tells how many were cut at the drain deadline, by all workers together."""
    server = serve("echo", "--workers", "2", "--drain-timeout", "0.3")
    with ExitStack() as stack:
        for _ in range(16):
            talk(stack.enter_context(server.connect()))
        assert server.stop() == 0
    assert server.lines[-1]["cut"] == 16
    assert Counter(line["ended"] for line in server.events("connection")) == {"drained": 16}


def test_workers_go_on_during_the_drain_delay(serve: Serve) -> None:
    """With a drain delay all go on accepting while /readyz says 503; then the server ends."""
    server = serve("daytime", "--workers", "2", "--drain-delay", "1", admin=True)
    server.send()
    wait_until(lambda: server.ask_admin("/readyz")[0] == 503, "not ready")
    for _ in range(16):
        with server.connect() as caller:
            assert receive_all(caller)
    assert server.wait() == 0


def test_a_server_with_workers_finds_its_port_free(serve: Serve) -> None:
    """Daytime closes first, and what lingers of that does not hold the port of all workers."""
    port = str(free_port())
    for _ in range(3):
        server = serve("daytime", "--workers", "2", "--udp", "--port", port)
        for _ in range(8):
            with server.connect() as caller:
                assert receive_all(caller)
        assert server.stop() == 0


def test_metrics_are_those_of_all_workers(serve: Serve) -> None:
    """The sums tell what was sent to all workers together, while connections are open too."""
    server = serve("echo", "--workers", "3", "--udp", admin=True)
    with ExitStack() as stack:
        for number in range(1, 31):
            talk(stack.enter_context(server.connect()), b"x" * number)
        for number in range(1, 11):
            asking = stack.enter_context(sender(server))
            asking.send(b"y" * number)
            assert asking.recv(64) == b"y" * number
        expected = {
            "connections_total": 30,
            "connections_active": 30,
            'received_bytes_total{transport="tcp"}': 465,
            'sent_bytes_total{transport="tcp"}': 465,
            "datagrams_received_total": 10,
            "datagrams_sent_total": 10,
            'received_bytes_total{transport="udp"}': 55,
            'sent_bytes_total{transport="udp"}': 55,
        }
        wait_until(lambda: expected.items() <= server.samples().items(), "the sums")
    ended = {"connections_active": 0, 'connection_endings_total{ending="done"}': 30}
    wait_until(lambda: ended.items() <= server.samples().items(), "the endings")


@pytest.mark.fault("many long connections, many senders of datagrams")
def test_two_workers_share_the_datagrams(serve: Serve) -> None:
    """E5: while one of two workers is stopped, the other answers at least a third of many senders;
    and those of the stopped one are answered when it goes on. All datagrams are as they were.
    """
    server = serve("echo", "--workers", "2", "--udp", "--udp-rate", "0", admin=True)
    with ExitStack() as stack:
        senders = [stack.enter_context(sender(server)) for _ in range(CALLERS)]
        for pid in server.workers():
            os.kill(pid, signal.SIGSTOP)
            for number, each in enumerate(senders):
                each.send(b"%d" % number)
            wait_until(lambda: readable(senders) >= CALLERS / 3, "the share of the other")
            os.kill(pid, signal.SIGCONT)
            for number, each in enumerate(senders):
                assert each.recv(16) == b"%d" % number
    wait_until(lambda: server.samples()["datagrams_sent_total"] == 2 * CALLERS, "the sum")


@pytest.mark.fault("a second server on the port, with or without workers")
@pytest.mark.parametrize("flags", [[], ["--workers", "2"]], ids=["alone", "workers"])
@pytest.mark.parametrize("others", [[], ["--workers", "2"]], ids=["alone", "workers"])
@pytest.mark.parametrize("family", ["any", "4", "6"])
def test_a_port_has_one_server(
    serve: Serve, family: str, flags: list[str], others: list[str]
) -> None:
    """Who comes second to a port is told that it is taken, and does not join, whether one of the
    two has workers, both, or none.
    """
    first = serve("echo", "--udp", "--family", family, *flags)
    command = [PYTHON, "-m", "echo", "--udp", "--family", family, "--port", str(first.port)]
    second = subprocess.run(
        [*command, *others],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    taken = f"echo: --port {first.port}: address already in use\n"
    assert (second.returncode, second.stderr) == (1, taken)


@pytest.mark.fault("a second server on the port, with or without workers")
@pytest.mark.parametrize("flags", [[], ["--workers", "2"]], ids=["alone", "workers"])
def test_a_udp_port_has_one_server(flags: list[str]) -> None:
    """The same where only the UDP side of the port is taken, by whom that would let others in."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        port = free_port()
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        taken.bind(("127.0.0.1", port))
        second = subprocess.run(
            [PYTHON, "-m", "echo", "--udp", "--host", "127.0.0.1", "--port", str(port), *flags],
            env=environment(),
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
    message = f"echo: --port {port}: address already in use (UDP)\n"
    assert (second.returncode, second.stderr) == (1, message)


@pytest.mark.fault("more clients than the connection limit of all workers")
def test_the_cap_is_shared_out(serve: Serve) -> None:
    """Each worker takes its part of the connection cap, rounded up: two of three, and no more."""
    server = serve("echo", "--workers", "2", "--max-connections", "3", admin=True)
    assert server.ready["max_connections"] == 4
    with ExitStack() as stack:
        for _ in range(32):
            stack.enter_context(server.connect())
        wait_until(lambda: server.samples()["connections_active"] == 4, "the cap")
        assert server.is_at_rest()
        assert server.samples()["connections_active"] == 4
    wait_until(lambda: server.samples()["connections_total"] == 32, "all callers")


@pytest.mark.parametrize("delay", [0.0, 0.02, 0.05, 0.1, 0.2])
def test_a_signal_while_workers_start_is_not_lost(delay: float) -> None:
    """SIGTERM at any moment of the start ends all processes, of which none is left."""
    command = [PYTHON, "-m", "echo", "--port", "0", "--workers", "4"]
    with running(command, env=environment(), stdout=subprocess.PIPE) as process:
        time.sleep(delay)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)  # to the end of a pipe that each of them has open
    assert process.returncode in (0, -signal.SIGTERM)


def is_cut(caller: socket.socket) -> bool:
    """Whether the server has closed or reset the connection."""
    try:
        return caller.recv(1) == b""
    except ConnectionResetError:
        return True


def rows(server: ServerProcess) -> Iterator[tuple[int, str]]:
    """The established connections of the port: the peer's port, and the socket as a process has it
    open. It is number 0 where no process has accepted it.
    """
    for row in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, state, *rest = row.split()
        if int(local.rpartition(":")[2], 16) == server.port and state == "01":
            yield int(remote.rpartition(":")[2], 16), f"socket:[{rest[5]}]"


def owned(server: ServerProcess, pid: int, callers: list[socket.socket]) -> list[socket.socket]:
    """Those of the callers whom a worker has accepted."""
    held = open_files(pid)
    ports = {port for port, file in rows(server) if file in held}
    return [caller for caller in callers if caller.getsockname()[1] in ports]


def queued(server: ServerProcess) -> int:
    """How many callers are connected, but accepted by no process."""
    return sum(file == "socket:[0]" for _, file in rows(server))


def ends(server: ServerProcess, process: str) -> list[dict[str, Any]]:
    """The lines that tell of the end of a worker."""
    return [line for line in server.events("process ended") if line["process"] == process]


def all_processes(server: ServerProcess) -> list[int]:
    """Both workers and the process of the admin port, once they have been forked."""
    return list(wait_until(lambda: len(pids := server.children()) == 3 and pids, "all processes"))


def kill(pid: int, number: signal.Signals = signal.SIGKILL) -> None:
    """Send a worker a signal."""
    os.kill(pid, number)


def end(pids: list[int]) -> None:
    """Kill processes of whom nobody else would: those that still run."""
    for pid in filter(is_running, pids):
        kill(pid)


@contextmanager
def load(server: ServerProcess) -> Iterator[list[Counter[str]]]:
    """Clients who call again and again, and what became of each one's calls."""
    over = threading.Event()
    told = [Counter[str]() for _ in range(CLIENTS)]

    def call(results: Counter[str]) -> None:
        while not over.wait(0.001):
            results[outcome(server)] += 1

    clients = [threading.Thread(target=call, args=[each]) for each in told]
    for each in clients:
        each.start()
    try:
        yield told
    finally:
        over.set()
        for each in clients:
            each.join()


def outcome(server: ServerProcess) -> str:
    """What becomes of one call."""
    try:
        caller = server.connect()
    except OSError:
        return "refused"
    with caller:
        try:
            caller.sendall(DATA)
            caller.shutdown(socket.SHUT_WR)
            return "whole" if receive_all(caller) == DATA else "cut"
        except TimeoutError:
            return "unanswered"
        except OSError:
            return "cut"


def shared_out(
    server: ServerProcess, stack: ExitStack, victim: int, other: int
) -> tuple[list[socket.socket], list[socket.socket]]:
    """64 callers who have been answered: those of the one worker, and those of the other."""
    callers = [stack.enter_context(server.connect()) for _ in range(64)]
    for caller in callers:
        talk(caller)
    return owned(server, victim, callers), owned(server, other, callers)


@pytest.mark.fault("a worker killed under connect load")
def test_a_killed_worker_cuts_only_whom_it_had(serve: Serve) -> None:
    """A worker that dies under connect load takes its own callers with it. Those of the other are
    served on; nobody is refused, since another takes its place at once; and each client loses at
    most the one call that was with it.
    """
    server = serve("echo", *TWO)
    victim, other = server.workers()
    with ExitStack() as stack:
        lost, kept = shared_out(server, stack, victim, other)
        assert len(lost) + len(kept) == 64
        told = stack.enter_context(load(server))
        wait_until(lambda: sum(map(Counter.total, told)) > 100, "load")
        kill(victim)
        assert all(map(is_cut, lost))
        wait_until(lambda: other in (now := server.workers()) and victim not in now, "another one")
        enough = sum(map(Counter.total, told)) + 100
        wait_until(lambda: sum(map(Counter.total, told)) > enough, "more load")
        for caller in kept:
            talk(caller)
    (line,) = ends(server, "worker 1")
    assert (line["status"], line["pause"]) == (-9, 0.0)
    assert all(each["cut"] <= 1 and each.keys() <= {"whole", "cut"} for each in told), told
    assert server.stop() == 0


@pytest.mark.fault("connections and datagrams that arrive while a worker is dead")
def test_callers_of_a_dead_worker_are_answered(serve: Serve) -> None:
    """Who calls, over TCP or UDP, while a worker is dead and not yet replaced (the supervisor is
    stopped) waits in its queues, and is answered by the next.
    """
    server = serve("echo", *TWO, "--udp")
    victim = server.workers()[0]
    server.send(signal.SIGSTOP)
    kill(victim)
    with ExitStack() as stack:
        callers = [stack.enter_context(server.connect()) for _ in range(40)]
        asking = [
            stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(40)
        ]
        for number, each in enumerate([*callers, *asking]):
            each.settimeout(20)
            if each in asking:
                each.connect(("127.0.0.1", server.port))
            each.send(b"%d" % number)
        wait_until(
            lambda: 0 < queued(server) == 40 - len(select.select(callers, [], [], 0)[0]),
            "an answer to all whom the living one has",
        )
        server.send(signal.SIGCONT)
        for number, each in enumerate([*callers, *asking]):
            assert each.recv(16) == b"%d" % number
    assert server.stop() == 0


@pytest.mark.fault("SIGTERM while connections and datagrams wait for a dead worker")
def test_who_waits_for_a_dead_worker_is_served_at_the_stop(serve: Serve) -> None:
    """Callers in the queue of a worker that died just before SIGTERM are answered all the same."""
    server = serve("daytime", *TWO)
    victim = server.workers()[0]
    server.send(signal.SIGSTOP)
    kill(victim)
    with ExitStack() as stack:
        callers = [stack.enter_context(server.connect()) for _ in range(40)]
        assert wait_until(lambda: 0 < queued(server) < 40, "a share of the living one")
        server.send(signal.SIGTERM)
        server.send(signal.SIGCONT)
        for caller in callers:
            assert receive_all(caller).endswith(b"\r\n")
            caller.close()
    assert server.wait() == 0
    assert len(server.events("connection")) == 40


@pytest.mark.fault("a worker that keeps dying")
def test_a_worker_that_keeps_dying_is_replaced_ever_more_slowly(serve: Serve) -> None:
    """Workers that die at once are replaced at once, and then after pauses that double; the server
    can still be stopped, though not in order.
    """
    server = serve("echo", *TWO, program=DYING)
    lines = wait_until(lambda: len(found := ends(server, "worker 1")) >= 5 and found, "5 deaths")
    assert [line["pause"] for line in lines[:5]] == [0.0, 0.1, 0.2, 0.4, 0.8]
    first, *_, last = [datetime.fromisoformat(line["time"]) for line in lines[:5]]
    # A line may be told a moment after the pause that it tells of has begun.
    assert (last - first).total_seconds() >= 0.6 * sum(line["pause"] for line in lines[:4])
    assert {line["status"] for line in lines} == {7}
    assert server.stop() == 1


@pytest.mark.fault("no further process (injected)")
def test_a_fork_that_fails_is_tried_again(serve: Serve) -> None:
    """Where there is no process to be had, each time is told, and the worker comes in the end."""
    server = serve("echo", *TWO, program=FAULTY, env={"FAULTS": "fork EAGAIN ENOMEM EAGAIN"})
    assert len(server.workers()) == 2
    told = [(line["process"], line["error"]) for line in server.events("process not started")]
    again, full = "Resource temporarily unavailable", "Cannot allocate memory"
    assert told == [("worker 1", again), ("worker 2", full), ("worker 1", again)]
    with server.connect() as caller:
        talk(caller)
    assert server.stop() == 0


@pytest.mark.fault("SIGCHLD ignored, as a parent may leave it")
def test_a_worker_is_replaced_whatever_a_parent_ignored(serve: Serve) -> None:
    """With SIGCHLD ignored, as a parent may leave it, nobody would be told of a death."""

    def ignore() -> None:
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)

    server = serve("echo", *TWO, before=ignore)
    victim = server.workers()[0]
    kill(victim)
    wait_until(lambda: victim not in server.workers(), "another one")
    assert server.stop() == 0


@pytest.mark.fault("the metrics of a worker that dies")
def test_no_sum_falls_when_a_worker_dies(serve: Serve) -> None:
    """What a dead worker has told stays in the sums, its open connections become `lost`, and its
    replacement goes on from there.
    """
    server = serve("echo", *TWO, admin=True)
    received = 'received_bytes_total{transport="tcp"}'
    with ExitStack() as stack:
        callers = [stack.enter_context(server.connect()) for _ in range(32)]
        for caller in callers:
            talk(caller, b"x" * 100)
        wait_until(lambda: server.samples()[received] == 3200, "the bytes")
        for count, victim in enumerate(server.workers(), 1):
            lost = len(owned(server, victim, callers))
            kill(victim)
            wait_until(lambda: victim not in server.workers(), "another one")  # noqa: B023
            told = server.samples()
            assert told[received] == 3200 + 100 * (count - 1)
            ended = told['connection_endings_total{ending="lost"}']
            assert told["connections_active"] + ended == told["connections_total"]
            assert ended >= lost
            callers.append(stack.enter_context(server.connect()))
            talk(callers[-1], b"x" * 100)
            total = 3200 + 100 * count
            wait_until(lambda: server.samples()[received] == total, "one more")  # noqa: B023
    assert server.stop() == 0


@pytest.mark.fault("Ctrl-C or SIGTERM to the whole process group")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_to_the_whole_group_counts_once(serve: Serve, number: signal.Signals) -> None:
    """A terminal sends Ctrl-C to all processes at once; that is one request to drain."""
    server = serve("echo", *TWO, before=os.setsid)
    with server.connect() as caller:
        talk(caller)
        os.killpg(server.process.pid, number)
        wait_until(lambda: refuses(server.port), "the closed listeners")
        talk(caller)
    assert server.wait() == 0
    assert server.events("process ended") == []
    assert server.stderr == ""


@pytest.mark.fault("a second signal to the supervisor, before or in the drain")
def test_a_second_signal_ends_all_workers(serve: Serve) -> None:
    """Who cannot wait for the drain signals again: no process is left, and the status is 1."""
    server = serve("echo", *TWO, "--drain-timeout", "60", admin=True)
    children = all_processes(server)
    with server.connect() as caller:
        talk(caller)
        server.send()
        wait_until(lambda: refuses(server.port), "the closed listeners")
        assert signal_until_ended(server) == 1
        assert not any(map(is_running, children))
        assert is_cut(caller)
    assert server.events("stopped") == []


@pytest.mark.fault("a second signal to the supervisor, before or in the drain")
def test_a_second_signal_is_heard_in_the_drain_delay(serve: Serve) -> None:
    """The same before the drain has begun."""
    server = serve("echo", *TWO, "--drain-delay", "60", admin=True)
    children = all_processes(server)
    server.send()
    wait_until(lambda: server.ask_admin("/readyz")[0] == 503, "the first signal")
    assert signal_until_ended(server) == 1
    assert not any(map(is_running, children))


@pytest.mark.fault("the supervisor is killed (SIGKILL)")
def test_a_killed_supervisor_leaves_nobody(serve: Serve) -> None:
    """Workers whose supervisor was killed drain as if asked to: nobody new is let in, callers are
    served to the end or to the deadline, and then all have gone.
    """
    server = serve("echo", *TWO, "--drain-timeout", "1", admin=True)
    children, workers = all_processes(server), server.workers()
    with ExitStack() as stack:
        stack.callback(end, children)
        callers = [stack.enter_context(server.connect()) for _ in range(16)]
        for caller in callers:
            talk(caller)
        first, second = (owned(server, pid, callers) for pid in workers)
        server.send(signal.SIGKILL)
        wait_until(lambda: refuses(server.port), "the closed listeners")
        for caller in callers:
            talk(caller)
        for caller in first:
            caller.close()
        wait_until(lambda: not is_running(workers[0]), "the end of the worker without callers")
        assert all(map(is_cut, second))
        wait_until(lambda: not any(map(is_running, children)), "the end of all")
    assert Counter(line["ended"] for line in server.connections(16)) == {
        "done": len(first),
        "drained": len(second),
    }


@pytest.mark.fault("a worker stopped (SIGSTOP)")
def test_a_stopped_worker_is_not_alive(serve: Serve) -> None:
    """A worker that is stopped leaves its callers alone, and /livez and /readyz say so; once it
    goes on they are well again.
    """
    server = serve("echo", *TWO, admin=True)
    worker = server.workers()[1]
    kill(worker, signal.SIGSTOP)
    wait_until(lambda: server.ask_admin("/livez")[0] == 503, "the report")
    assert server.ask_admin("/readyz")[0] == 503
    kill(worker, signal.SIGCONT)
    wait_until(lambda: server.ask_admin("/livez")[0] == 200, "the recovery")


@pytest.mark.fault("the supervisor stopped (SIGSTOP) or stuck, with or without a dead worker")
@pytest.mark.parametrize("is_one_dead", [False, True], ids=["all live", "one dead"])
def test_a_stopped_supervisor_is_not_alive(serve: Serve, is_one_dead: bool) -> None:
    """While the supervisor is stopped it neither replaces a worker nor obeys a signal, so /livez
    and /readyz are 503; once it continues they are 200 again.
    """
    server = serve("echo", *TWO, admin=True)
    victim = server.workers()[0]
    assert server.ask_admin("/livez")[0] == 200
    server.send(signal.SIGSTOP)
    if is_one_dead:
        kill(victim)
    wait_until(lambda: server.ask_admin("/livez")[0] == 503, "the report")
    assert server.ask_admin("/readyz")[0] == 503
    server.send(signal.SIGCONT)
    wait_until(lambda: server.ask_admin("/livez")[0] == 200, "the recovery")
    assert (victim in server.workers()) != is_one_dead
    assert server.stop() == 0


def test_an_idle_supervisor_is_alive(serve: Serve) -> None:
    """A supervisor with nothing to do stays alive beyond the 5 s after which it would be stuck."""
    server = serve("echo", *TWO, admin=True)
    until = time.monotonic() + 7
    while time.monotonic() < until:
        assert server.ask_admin("/livez")[0] == 200
        time.sleep(0.1)


@pytest.mark.fault("a worker stuck in one callback")
def test_a_stalled_worker_is_not_alive(serve: Serve) -> None:
    """A worker that is stuck in a turn turns /livez to 503, and is well again when replaced."""
    server = serve("echo", *TWO, program=STALLING, admin=True)
    with server.connect() as caller:
        caller.sendall(b"stall")
        wait_until(lambda: owned_by_any(server, caller), "the caller to be met")
        wait_until(lambda: server.ask_admin("/livez")[0] == 503, "the report")
        for pid in server.workers():
            if owned(server, pid, [caller]):
                kill(pid)
        wait_until(lambda: server.ask_admin("/livez")[0] == 200, "the recovery")


def owned_by_any(server: ServerProcess, caller: socket.socket) -> bool:
    """Whether some worker has accepted the caller."""
    return any(owned(server, pid, [caller]) for pid in server.workers())


@pytest.mark.fault("a worker that does not end with the drain")
def test_a_hung_worker_ends_with_the_drain(serve: Serve) -> None:
    """A worker that neither drains nor ends is killed some seconds after the deadline: status 1."""
    server = serve("echo", *TWO, "--drain-timeout", "0.1", admin=True)
    children = all_processes(server)
    kill(server.workers()[0], signal.SIGSTOP)
    assert server.stop() == 1
    assert not any(map(is_running, children))


@pytest.mark.fault("a worker killed in the drain")
def test_a_worker_killed_in_the_drain_is_no_orderly_stop(serve: Serve) -> None:
    """Its callers are lost and nobody takes their place, so the status is 1, and no last line says
    that so many were cut and no more. Those of the other worker are served to the end.
    """
    server = serve("echo", *TWO)
    victim, other = server.workers()
    with ExitStack() as stack:
        lost, kept = shared_out(server, stack, victim, other)
        server.send()
        wait_until(lambda: refuses(server.port), "the closed listeners")
        kill(victim)
        assert all(map(is_cut, lost))
        for caller in kept:
            talk(caller)
    assert server.wait() == 1
    (line,) = ends(server, "worker 1")
    assert line["status"] == -9
    assert server.events("stopped") == []


@pytest.mark.fault("no process for a worker that is to drain (injected)")
def test_a_stop_without_workers_is_not_orderly(serve: Serve) -> None:
    """Where there is no process to be had at the stop, whoever waits in the queues is turned away,
    and the status says so.
    """
    server = serve("echo", *TWO, program=FAULTY, env={"FAULTS": "fork" + 100 * " EAGAIN"})
    assert server.stop() == 1
    assert server.events("stopped") == []


@pytest.mark.fault("no thread for the process of the admin port (injected)")
def test_no_thread_for_the_admin_port_is_a_line(serve: Serve) -> None:
    """Where a limit leaves the process of the admin port no thread (injected), a line tells each
    time that it ends, and callers are served meanwhile.
    """
    server = serve("echo", *TWO, program=FAULTY, env={"FAULTS": "start THREAD"}, admin=True)
    lines = wait_until(lambda: len(found := ends(server, "admin")) >= 3 and found, "3 ends")
    assert {line["status"] for line in lines} == {1}
    with server.connect() as caller:
        talk(caller)
    assert server.stop() == 0
    assert set(server.stderr.splitlines()) == {"admin: can't start new thread"}


@pytest.mark.fault("no descriptor left except for the ports, or not even for them")
def test_as_many_descriptors_as_ports_are_enough(serve: Serve) -> None:
    """Workers serve where their ports have taken the last descriptor of the supervisor; with one
    less, a line tells.
    """
    many = ("--workers", "40")
    first = serve("echo", *many)
    first.workers()  # by then nothing is open that was for the start alone
    enough = first.descriptors()
    server = serve("echo", *many, before=partial(limit_descriptors, enough))
    with server.connect() as caller:
        talk(caller)
    assert server.stop() == 0
    refused = subprocess.run(
        [PYTHON, "-m", "echo", "--port", "0", *many],
        env=environment(),
        preexec_fn=partial(limit_descriptors, enough - 1),
        capture_output=True,
        timeout=20,
        check=False,
    )
    message = b"echo: --port 0: too many open files\n"
    assert (refused.returncode, refused.stderr) == (1, message)


def limit_descriptors(limit: int) -> None:
    """In a process to be: let it have no more."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))


@pytest.mark.fault("the process of the admin port dies")
def test_the_admin_port_comes_back(serve: Serve) -> None:
    """The process behind the admin port is replaced like a worker, and its clients wait."""
    server = serve("echo", *TWO, admin=True)
    (admin,) = set(all_processes(server)) - set(server.workers())
    kill(admin)
    assert server.ask_admin("/livez")[0] == 200
    (line,) = wait_until(lambda: ends(server, "admin"), "the line")
    assert (line["status"], line["pause"]) == (-9, 0.0)
    assert server.stop() == 0


@pytest.mark.fault("a worker that waits for its next start")
def test_who_keeps_dying_is_not_alive(serve: Serve) -> None:
    """While workers that keep dying wait for their next start, nobody is sent to them."""
    server = serve("echo", *TWO, program=DYING, admin=True)
    wait_until(lambda: server.ask_admin("/livez")[0] == 503, "/livez to tell")
    wait_until(lambda: server.ask_admin("/readyz")[0] == 503, "/readyz to tell")

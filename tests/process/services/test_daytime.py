"""Daytime over TCP (RFC 867), the same for every model."""

import re
import socket
import threading
import time
from pathlib import Path

import pytest

from server_process import Serve, receive_all

FAULTY = str(Path(__file__).parent / "faulty.py")

LINE = re.compile(
    rb"(Mon|Tue|Wed|Thu|Fri|Sat|Sun) "
    rb"(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [ 123]\d \d\d:\d\d:\d\d UTC \d{4}\r\n"
)


def test_the_server_speaks_first_and_closes(serve: Serve, model: str) -> None:
    """D1: the time comes at once, without any input, and then the end."""
    with serve("daytime", "--model", model).connect() as caller:
        assert LINE.fullmatch(receive_all(caller))


@pytest.mark.fault("daytime: input before or after the answer")
@pytest.mark.parametrize("size", [1, 1 << 20])
def test_prior_input_is_thrown_away(serve: Serve, model: str, size: int) -> None:
    """D2: input that is there before the answer does not turn the end into a reset."""
    server = serve("daytime", "--model", model)
    with server.connect() as caller:
        caller.sendall(b"x" * size)
        caller.shutdown(socket.SHUT_WR)
        assert LINE.fullmatch(receive_all(caller))
    (line,) = server.connections(1)
    assert (line["bytes_in"], line["ended"]) == (size, "done")


@pytest.mark.fault("daytime: input before or after the answer")
def test_late_input_is_thrown_away(serve: Serve, model: str) -> None:
    """D2: nor does input that comes after the answer."""
    server = serve("daytime", "--model", model)
    with server.connect() as caller:
        assert LINE.fullmatch(receive_all(caller))
        caller.sendall(b"x" * 100_000)
        caller.shutdown(socket.SHUT_WR)
        assert caller.recv(1) == b""
    (line,) = server.connections(1)
    assert (line["bytes_in"], line["ended"]) == (100_000, "done")


@pytest.mark.fault("daytime: a client that never closes")
def test_a_caller_who_never_closes_is_let_go(serve: Serve, model: str) -> None:
    """D2: the wait for the caller's close is 2 s, even for one who goes on sending."""
    server = serve("daytime", "--model", model)
    with server.connect() as silent:
        assert LINE.fullmatch(receive_all(silent))
        (line,) = server.connections(1)
    assert line["ended"] == "lingered"
    assert 2000 <= line["milliseconds"] < 6000
    with server.connect() as sending:
        stopped = threading.Event()

        def flood() -> None:
            try:
                while not stopped.is_set():
                    sending.sendall(b"x" * 65_536)
            except OSError:
                pass

        flooder = threading.Thread(target=flood, daemon=True)
        flooder.start()
        line = server.connections(2)[1]
        stopped.set()
        flooder.join()
    assert line["ended"] in ("lingered", "reset")
    assert 2000 <= line["milliseconds"] < 6000


@pytest.mark.parametrize(
    ("flags", "env", "zone"),
    [
        (["--timezone", "Asia/Tokyo"], {"TZ": "Europe/Berlin"}, b" JST "),
        ([], {"TZ": "Asia/Tokyo"}, b" JST "),
        ([], {"TZ": ""}, b" UTC "),
        ([], {"TZ": ":Asia/Tokyo"}, b" JST "),
        ([], {"TZ": "<+03>-3"}, b" +03 "),
        ([], {"TZ": "UTC", "PYTHONTZPATH": "/nonexistent"}, b" UTC "),
        ([], {"SERVE_TIMEZONE": "America/Sao_Paulo", "TZ": "Asia/Tokyo"}, b" -03 "),
        ([], {"LC_ALL": "de_DE.UTF-8"}, b" UTC "),
    ],
)
def test_the_zone_is_a_setting(
    serve: Serve, flags: list[str], env: dict[str, str], zone: bytes
) -> None:
    """D4: the zone follows the settings, the names of days and months follow no locale."""
    with serve("daytime", *flags, env=env).connect() as caller:
        reply = receive_all(caller)
    assert zone in reply
    assert LINE.fullmatch(reply.replace(zone, b" UTC "))


def test_lingering_callers_keep_nobody_waiting(serve: Serve, concurrent_model: str) -> None:
    """A staged close costs the next caller no time."""
    server = serve("daytime", "--model", concurrent_model)
    callers = [server.connect() for _ in range(20)]
    assert all(LINE.fullmatch(receive_all(caller)) for caller in callers)
    assert server.events("connection") == []
    for caller in callers:
        caller.close()
    assert {line["ended"] for line in server.connections(20)} == {"done"}


@pytest.mark.fault("daytime: a client that never closes")
def test_the_oldest_lingering_caller_makes_room(serve: Serve, concurrent_model: str) -> None:
    """At the cap, who was answered first is let go first: nobody's 2 s delay the next caller."""
    server = serve("daytime", "--model", concurrent_model, "--max-connections", "2")
    began = time.monotonic()
    callers = [server.connect() for _ in range(40)]
    names = ["{}:{}".format(*caller.getsockname()) for caller in callers]
    assert all(LINE.fullmatch(receive_all(caller)) for caller in callers)
    assert time.monotonic() - began < 20  # of the 40 that it would take two at a time
    lines = server.connections(38)
    assert {line["ended"] for line in lines} == {"lingered"}
    if concurrent_model == "evented":  # threads may be overtaken by those after them
        assert [line["peer"] for line in lines[:38]] == names[:38]
    for caller in callers:
        caller.close()


@pytest.mark.fault("daytime: the kernel has no memory for the line yet (EAGAIN, injected)")
def test_a_line_that_cannot_be_sent_yet_is_sent_later(serve: Serve, model: str) -> None:
    """If the first send fails with EAGAIN, the line is sent when the socket is writable."""
    env = {"SERVICE": "daytime", "FAULTS": "send EAGAIN EAGAIN"}
    server = serve("daytime", "--model", model, program=FAULTY, env=env)
    with server.connect() as client:
        assert LINE.fullmatch(receive_all(client))
    (line,) = server.connections(1)
    assert line["ended"] == "done"


def test_a_full_house_goes_on_serving(serve: Serve, concurrent_model: str) -> None:
    """At a cap of one, a caller who leaves in the very moment when he is let go stops nobody."""
    server = serve("daytime", "--model", concurrent_model, "--max-connections", "1")
    for _ in range(300):
        with server.connect() as caller:
            assert LINE.fullmatch(receive_all(caller))


def test_descriptors_and_threads_return_to_their_baseline(serve: Serve, model: str) -> None:
    """Nothing of a caller is left behind."""
    server = serve("daytime", "--model", model)
    with server.connect() as caller:
        assert LINE.fullmatch(receive_all(caller))
    server.connections(1)
    baseline = server.baseline()
    for _ in range(50):
        with server.connect() as caller:
            assert LINE.fullmatch(receive_all(caller))
    server.connections(51)
    server.returns_to(baseline)

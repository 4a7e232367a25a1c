"""The admin port's answers to request heads, and the metrics text."""

import time
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.admin import Admin
from runtime.connection import CloseReason
from runtime.counters import Counters, Counts
from runtime.metrics import MAX_AGE_S, Metrics, metrics_text
from server_process import wait_until


def admin(*, alive: bool = True, ready: bool = True) -> Admin:
    """An admin service over fixed facts."""
    return Admin(lambda: alive, lambda: ready, lambda: "some 1\n")


def parts(response: bytes) -> tuple[str, dict[str, str], bytes]:
    """Status, fields and body of a response."""
    head, _, body = response.partition(b"\r\n\r\n")
    status, *lines = head.decode("ascii").split("\r\n")
    return status, dict(line.split(": ", 1) for line in lines), body


@pytest.mark.parametrize(
    ("target", "alive", "ready", "status"),
    [
        ("/livez", True, False, 200),
        ("/livez", False, True, 503),
        ("/readyz", True, True, 200),
        ("/readyz", True, False, 503),
        ("/readyz", False, True, 503),
        ("/metrics", False, False, 200),
        ("/metrics?x=1", True, True, 200),
        ("/", True, True, 200),
        ("/nothing", True, True, 404),
        ("//livez", True, True, 404),
    ],
)
def test_pages(target: str, alive: bool, ready: bool, status: int) -> None:
    """Alive is a turning loop; ready is that, and no signal to stop."""
    answer = admin(alive=alive, ready=ready).answer(f"GET {target} HTTP/1.0\r\n\r\n".encode())
    assert parts(answer)[0].split()[1] == str(status)


def test_head_is_get_without_a_body() -> None:
    """RFC 9110 section 9.3.2: HEAD has the fields of GET, Content-Length included, and no body."""
    get = parts(admin().answer(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
    head = parts(admin().answer(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n"))
    assert head == (get[0], get[1], b"")
    assert int(get[1]["Content-Length"]) == len(get[2])
    assert get[2].decode().split() == ["/", "/livez", "/readyz", "/metrics"]


def test_other_methods_are_told_what_is_allowed() -> None:
    """RFC 9110 section 15.5.6: 405 comes with Allow."""
    status, fields, _ = parts(admin().answer(b"POST /livez HTTP/1.1\r\n\r\n"))
    assert status == "HTTP/1.1 405 Method Not Allowed"
    assert fields["Allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET / HTTP/1.1\r\n" + b"x" * 4079, 431),
        (b"hello\r\n\r\n", 400),
        (b"GET  / HTTP/1.0\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\n\r\n", 400),
        (b"GET /\xff HTTP/1.0\r\n\r\n", 400),
        (b"GET / HTTP/1.0\n\n", 200),
    ],
)
def test_what_is_no_request(head: bytes, status: int) -> None:
    """Whatever is sent has an answer; bare LF may end a line (RFC 9112 section 2.2)."""
    assert parts(admin().answer(head))[0].split()[1] == str(status)


@given(st.binary())
def test_any_bytes_have_an_answer(head: bytes) -> None:
    """Nothing that is sent to the admin port raises."""
    assert admin().answer(head).startswith(b"HTTP/1.1 ")


def test_metrics_are_prometheus_text() -> None:
    """Exposition format 0.0.4: each family has its HELP and TYPE, then a line for each sample."""
    counters = Counters()
    counters.connections = 3
    counters.close_reasons[CloseReason.DONE] += 2
    counters.drops["rate"] += 5
    text = metrics_text(counters.counts(), "echo", "evented")
    lines = text.splitlines()
    assert text.endswith("\n")
    assert "small_services_connections_total 3" in lines
    assert 'small_services_connection_endings_total{ending="done"} 2' in lines
    assert 'small_services_datagrams_dropped_total{reason="rate"} 5' in lines
    names = {line.split("{")[0].split()[0] for line in lines if not line.startswith("#")}
    for name in names:
        assert any(line.startswith(f"# TYPE {name} ") for line in lines)
        assert any(line.startswith(f"# HELP {name} ") for line in lines)


@pytest.mark.fault("many scrapers of /metrics beside thousands of connections")
def test_metrics_are_computed_once_for_many_scrapers() -> None:
    """Within 0.25 s all scrapers get the same text, after that a new one."""
    counters, calls = Counters(), Counter[str]()

    def counts() -> Counts:
        calls["counts"] += 1
        return counters.counts()

    metrics, began = Metrics(counts, "echo", "evented"), time.monotonic()
    texts = [metrics.text() for _ in range(8)]
    assert calls["counts"] == 1 or time.monotonic() - began >= MAX_AGE_S
    counters.connections = 3
    wait_until(lambda: "small_services_connections_total 3\n" in metrics.text(), "new numbers")
    assert set(texts) == {metrics_text(Counters().counts(), "echo", "evented")}


def test_sums_are_made_without_the_lock() -> None:
    """No accept waits while the bytes of open connections are summed."""

    class Watching:
        sent = 5

        @property
        def received(self) -> int:
            assert not counters.lock.locked()
            return 7

    counters = Counters()
    counters.open[0] = Watching()
    counts = counters.counts()
    assert (counts["open"], counts["received"], counts["sent"]) == (1, 7, 5)

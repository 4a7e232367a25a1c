"""Whom not to answer over UDP, and how often."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.guard import MAX_SOURCES, TOTAL_FACTOR, Buckets, source_refusal


@pytest.mark.parametrize("port", [0, 7, 13, 19, 123, 1023, 1200, 1201, 5000])
def test_refused_ports(port: int) -> None:
    """S1: no answer to ports below 1024, to either service, to our own."""
    assert source_refusal("192.0.2.1", port, own_port=5000) == "source_port"


@pytest.mark.parametrize("host", ["0.0.0.0", "224.0.0.1", "239.1.2.3", "255.255.255.255", "::"])
def test_refused_addresses(host: str) -> None:
    """S1: no answer to who is many or nobody."""
    assert source_refusal(host, 40_000, own_port=5000) == "source_address"
    assert source_refusal("ff02::1", 40_000, own_port=5000) == "source_address"


@pytest.mark.parametrize("host", ["192.0.2.1", "127.0.0.1", "223.255.255.255", "::1", "fe80::1%2"])
def test_honest_sources(host: str) -> None:
    """S1: everybody else is answered, loopback too: health checks come from there."""
    assert source_refusal(host, 40_000, own_port=5000) is None


def test_a_source_gets_its_rate() -> None:
    """S1: a burst of one second's worth, then as many as time goes by."""
    buckets = Buckets(10)
    assert [buckets.refusal("a", 0.0) for _ in range(11)] == [None] * 10 + ["rate"]
    assert [buckets.refusal("a", 0.2) for _ in range(3)] == [None] * 2 + ["rate"]
    assert buckets.refusal("b", 0.2) is None


def test_all_sources_together_get_ten_times_that() -> None:
    """S1: many sources, each within its rate, do not get more than ten of them would."""
    buckets = Buckets(10)
    refusals = [buckets.refusal(f"source {number}", 0.0) for number in range(150)]
    assert refusals == [None] * 10 * TOTAL_FACTOR + ["total_rate"] * 50
    assert buckets.refusal("another", 1.0) is None


def test_rate_0_is_no_limit() -> None:
    """S1: 0 turns both buckets off."""
    buckets = Buckets(0)
    assert {buckets.refusal("a", 0.0) for _ in range(1000)} == {None}


def test_the_table_is_bounded() -> None:
    """S1: forged sources without number cost no more than the table; the quietest gives way."""
    buckets = Buckets(1)
    for number in range(3 * MAX_SOURCES):
        buckets.refusal(f"source {number}", float(number))
        buckets.refusal("busy", float(number))
    assert len(buckets._sources) == MAX_SOURCES
    assert "busy" in buckets._sources


@given(st.lists(st.floats(0, 100), min_size=1), st.integers(1, 50))
def test_no_schedule_gets_more_than_the_rate(pauses: list[float], rate: int) -> None:
    """S1: over any time, a source gets its burst and its rate and no more."""
    buckets, now, granted = Buckets(rate), 0.0, 0
    for pause in pauses:
        now += pause
        granted += sum(buckets.refusal("a", now) is None for _ in range(3))
    assert granted <= rate + now * rate + 1e-6

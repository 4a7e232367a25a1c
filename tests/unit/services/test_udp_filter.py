"""Whom not to answer over UDP, and how often."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.udp_filter import MAX_SOURCES, SECOND_NS, TOTAL_FACTOR, UdpFilter

PORT = 40_000


def udp_filter(rate: int) -> UdpFilter:
    """Return a filter of port 5000."""
    return UdpFilter(rate, own_port=5000)


def source(number: int) -> str:
    """One of many addresses."""
    return f"11.0.{number >> 8}.{number & 255}"


@pytest.mark.parametrize("port", [0, 7, 13, 19, 123, 1023, 1200, 1201, 5000])
def test_refused_ports(port: int) -> None:
    """S1: no answer to ports below 1024, to either service, to our own."""
    assert udp_filter(10).drop_reason("192.0.2.1", port, 0) == "source_port"


@pytest.mark.parametrize("host", ["0.0.0.0", "224.0.0.1", "239.1.2.3", "255.255.255.255", "::"])
def test_refused_addresses(host: str) -> None:
    """S1: no answer to who is many or nobody."""
    assert udp_filter(10).drop_reason(host, PORT, 0) == "source_address"
    assert udp_filter(10).drop_reason("ff02::1", PORT, 0) == "source_address"


@pytest.mark.parametrize("host", ["192.0.2.1", "127.0.0.1", "223.255.255.255", "::1", "fe80::1%2"])
def test_honest_full_at(host: str) -> None:
    """S1: everybody else is answered, loopback too: health checks come from there."""
    assert udp_filter(10).drop_reason(host, PORT, 0) is None


def test_a_source_gets_its_rate() -> None:
    """S1: a burst of one second's worth, then as many as time goes by."""
    buckets = udp_filter(10)
    assert [buckets.drop_reason("10.0.0.1", PORT, 0) for _ in range(11)] == [None] * 10 + ["rate"]
    assert [buckets.drop_reason("10.0.0.1", PORT, SECOND_NS // 5) for _ in range(3)] == [
        None
    ] * 2 + ["rate"]
    assert buckets.drop_reason("10.0.0.2", PORT, SECOND_NS // 5) is None


def test_all_full_at_together_get_ten_times_that() -> None:
    """S1: many sources, each within its rate, do not get more than ten of them would."""
    buckets = udp_filter(10)
    refusals = [buckets.drop_reason(source(number), PORT, 0) for number in range(150)]
    assert refusals == [None] * 10 * TOTAL_FACTOR + ["total_rate"] * 50
    assert buckets.drop_reason("10.0.0.3", PORT, SECOND_NS) is None


def test_rate_0_is_no_limit() -> None:
    """S1: 0 turns both buckets off."""
    buckets = udp_filter(0)
    assert {buckets.drop_reason("10.0.0.1", PORT, 0) for _ in range(1000)} == {None}


@pytest.mark.fault("more sources than the rate limiter's table holds")
def test_the_table_is_bounded() -> None:
    """S1: forged sources without number cost no more than the table; the quietest gives way."""
    buckets = udp_filter(1)
    for number in range(3 * MAX_SOURCES):
        buckets.drop_reason(source(number), PORT, number * SECOND_NS)
        buckets.drop_reason("10.0.0.4", PORT, number * SECOND_NS)
    assert len(buckets._full_at) == MAX_SOURCES
    assert "10.0.0.4" in buckets._full_at


@given(st.lists(st.integers(0, 100 * SECOND_NS), min_size=1), st.integers(1, 50))
def test_no_schedule_gets_more_than_the_rate(pauses: list[int], rate: int) -> None:
    """S1: over any time, a source gets its burst and its rate and no more."""
    buckets, now, granted = udp_filter(rate), 0, 0
    for pause in pauses:
        now += pause
        granted += sum(buckets.drop_reason("10.0.0.1", PORT, now) is None for _ in range(3))
    assert granted <= rate + now * rate / SECOND_NS


@given(st.integers(0, 1 << 62), st.integers(1, 5000))
def test_a_burst_is_whole_at_any_time(now: int, rate: int) -> None:
    """S1: however long the system is up, a burst is as many datagrams as the rate says."""
    buckets = udp_filter(rate)
    refusals = [buckets.drop_reason("10.0.0.1", PORT, now) for _ in range(rate + 1)]
    assert refusals == [None] * rate + ["rate"]

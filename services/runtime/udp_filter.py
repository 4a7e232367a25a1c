"""Filter UDP datagrams that must not be answered.

The source of a datagram can be forged. After one forged datagram two services that answer all
others answer each other for ever (CERT CA-1996-01 and CVE-2024-2169 name echo and daytime). And an
answer to a forged source is an attack on the host with that address.
"""

from math import ceil

# No client uses a source port below 1024 (inetd's rule), nor the ports of these two services.
FIRST_CLIENT_PORT = 1024
SERVICE_PORTS = {1200, 1201}

# The token bucket of all sources together, as a multiple of that of one source.
TOTAL_FACTOR = 10

# Sources with a bucket of their own. A new source replaces the one that was quiet for longest.
MAX_SOURCES = 4096

SECOND_NS = 1_000_000_000


class UdpFilter:
    """Filter by source, and by token buckets: `rate` datagrams per second from each source.

    A bucket is stored as the time at which it will be full (GCRA, ITU-T I.371). Each token taken
    delays that time. The bucket is empty when the time is one burst ahead.
    """

    def __init__(self, rate: int, own_port: int) -> None:
        self._ports = {*range(FIRST_CLIENT_PORT), *SERVICE_PORTS, own_port}
        total = rate * TOTAL_FACTOR
        # Whole nanoseconds add up without rounding errors.
        self._token_ns = ceil(SECOND_NS / rate) if rate else 0
        self._total_token_ns = ceil(SECOND_NS / total) if rate else 0
        self._burst_ns, self._total_burst_ns = rate * self._token_ns, total * self._total_token_ns
        self._full_at: dict[str, int] = {}  # by source, the most recent at the end
        self._total_full_at = 0

    def drop_reason(self, host: str, port: int, now: int) -> str | None:
        """Take a token at a time in monotonic ns. Returns why the datagram is dropped, or None."""
        if port in self._ports:
            return "source_port"
        full_at = self._full_at.pop(host, None)
        if full_at is None:
            if _is_no_host(host):
                return "source_address"
            if len(self._full_at) == MAX_SOURCES:
                del self._full_at[next(iter(self._full_at))]
        if full_at is None or full_at < now:
            full_at = now
        full_at += self._token_ns
        if full_at > now + self._burst_ns:
            self._full_at[host] = full_at - self._token_ns
            return "rate"
        self._full_at[host] = full_at
        full_at = self._total_full_at
        full_at = (full_at if full_at > now else now) + self._total_token_ns
        if full_at > now + self._total_burst_ns:
            return "total_rate"
        self._total_full_at = full_at
        return None


def _is_no_host(host: str) -> bool:
    """Return whether an address is unspecified, multicast, broadcast or unassigned (RFC 6890)."""
    if ":" in host:
        return host == "::" or host.startswith("ff")
    first = int(host.partition(".")[0])
    return first == 0 or first >= 224

"""Whom not to answer over UDP.

Whoever sends a datagram can put any sender on it. So two services that answer everything
answer each other for ever after a single forged one (CERT CA-1996-01, CVE-2024-2169, which name
echo and daytime), and a reply to a forged sender is an attack on that sender.
"""

from math import ceil

# Ports that no honest client sends from: inetd's rule, and the ports of these two services.
FIRST_HONEST_PORT = 1024
SERVICE_PORTS = {1200, 1201}

# The bucket of all sources together, as a multiple of one source's.
TOTAL_FACTOR = 10

# Sources that have a bucket of their own; the one that was quiet longest gives way to a new one.
MAX_SOURCES = 4096

SECOND_NS = 1_000_000_000


class Guard:
    """Why a datagram is not answered: for its source, or for its number.

    The latter are token buckets: `rate` datagrams a second from each source, and as many at once.
    Of a bucket the time is kept at which it will be full (GCRA, ITU-T I.371): each token taken puts
    that off, and it is empty when that is as far away as its burst.
    """

    def __init__(self, rate: int, own_port: int) -> None:
        self._ports = {*range(FIRST_HONEST_PORT), *SERVICE_PORTS, own_port}
        total = rate * TOTAL_FACTOR
        # Whole nanoseconds, which do not lose anything when they are added up.
        self._token_ns = ceil(SECOND_NS / rate) if rate else 0
        self._total_token_ns = ceil(SECOND_NS / total) if rate else 0
        self._burst_ns, self._total_burst_ns = rate * self._token_ns, total * self._total_token_ns
        self._full_at: dict[str, int] = {}  # by source; the last to be heard of at the end
        self._total_full_at = 0

    def refusal(self, host: str, port: int, now: int) -> str | None:
        """Take a token, monotonic nanoseconds; the reason why there is no answer, or None."""
        if port in self._ports:
            return "source_port"
        full_at = self._full_at.pop(host, None)
        if full_at is None:
            if _is_nobody(host):
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


def _is_nobody(host: str) -> bool:
    """Unspecified, multicast, the limited broadcast, or what was never assigned (RFC 6890)."""
    if ":" in host:
        return host == "::" or host.startswith("ff")
    first = int(host.partition(".")[0])
    return first == 0 or first >= 224

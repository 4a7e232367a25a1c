"""Whom not to answer over UDP.

Whoever sends a datagram can put any sender on it. So two services that answer everything
answer each other for ever after a single forged one (CERT CA-1996-01, CVE-2024-2169, which name
echo and daytime), and a reply to a forged sender is an attack on that sender.
"""

from functools import lru_cache

# Ports that no honest client sends from: inetd's rule, and the ports of these two services.
FIRST_HONEST_PORT = 1024
SERVICE_PORTS = {1200, 1201}

# The bucket of all sources together, as a multiple of one source's.
TOTAL_FACTOR = 10

# Sources that have a bucket of their own; the one that was quiet longest gives way to a new one.
MAX_SOURCES = 4096


class Buckets:
    """Token buckets: `rate` datagrams a second, and as many at once, from each source."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._most = rate * TOTAL_FACTOR
        self._total = (float(self._most), 0.0)  # tokens, and when they were counted
        self._sources: dict[str, tuple[float, float]] = {}  # tokens and when; latest at the end

    def refusal(self, source: str, now: float) -> str | None:
        """Take a token; the reason why there was none, or None."""
        rate = self._rate
        if not rate:
            return None
        tokens, when = self._sources.pop(source, (rate, now))
        tokens += (now - when) * rate
        if tokens > rate:
            tokens = rate
        if tokens < 1:
            self._sources[source] = tokens, now
            return "rate"
        self._sources[source] = tokens - 1, now
        if len(self._sources) > MAX_SOURCES:
            del self._sources[next(iter(self._sources))]
        return self._total_refusal(now)

    def _total_refusal(self, now: float) -> str | None:
        tokens, when = self._total
        most = self._most
        tokens += (now - when) * most
        if tokens > most:
            tokens = most
        if tokens < 1:
            self._total = tokens, now
            return "total_rate"
        self._total = tokens - 1, now
        return None


def source_refusal(host: str, port: int, own_port: int) -> str | None:
    """Why nobody is answered who claims to be there, or None."""
    if port < FIRST_HONEST_PORT or port in SERVICE_PORTS or port == own_port:
        return "source_port"
    return "source_address" if _is_nobody(host) else None


@lru_cache(MAX_SOURCES)
def _is_nobody(host: str) -> bool:
    """Unspecified, multicast, the limited broadcast, or what was never assigned (RFC 6890)."""
    if ":" in host:
        return host == "::" or host.startswith("ff")
    first = int(host.partition(".")[0])
    return first == 0 or first >= 224

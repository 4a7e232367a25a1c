"""Whom not to answer over UDP.

Whoever sends a datagram can put any sender on it. So two services that answer everything
answer each other for ever after a single forged one (CERT CA-1996-01, CVE-2024-2169, which name
echo and daytime), and a reply to a forged sender is an attack on that sender.
"""

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
        self._total = (float(rate * TOTAL_FACTOR), 0.0)
        self._sources: dict[str, tuple[float, float]] = {}  # tokens and when; latest at the end

    def refusal(self, source: str, now: float) -> str | None:
        """Take a token; the reason why there was none, or None."""
        if not self._rate:
            return None
        tokens, when = self._sources.pop(source, (self._rate, now))
        tokens = min(self._rate, tokens + (now - when) * self._rate)
        if tokens < 1:
            self._sources[source] = tokens, now
            return "rate"
        self._sources[source] = tokens - 1, now
        if len(self._sources) > MAX_SOURCES:
            del self._sources[next(iter(self._sources))]
        return self._total_refusal(now)

    def _total_refusal(self, now: float) -> str | None:
        tokens, when = self._total
        most = self._rate * TOTAL_FACTOR
        tokens = min(most, tokens + (now - when) * most)
        self._total = (tokens - 1 if tokens >= 1 else tokens), now
        return None if tokens >= 1 else "total_rate"


def source_refusal(host: str, port: int, own_port: int) -> str | None:
    """Why nobody is answered who claims to be there, or None."""
    if port < FIRST_HONEST_PORT or port in SERVICE_PORTS or port == own_port:
        return "source_port"
    if host.startswith(("0.", "ff")) or host == "::" or _is_class_d_or_above(host):
        return "source_address"
    return None


def _is_class_d_or_above(host: str) -> bool:
    """Multicast, the limited broadcast, and between them what was never assigned (RFC 6890)."""
    return "." in host and int(host.partition(".")[0]) >= 224

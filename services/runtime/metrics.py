"""The counters as Prometheus text, exposition format 0.0.4."""

import math
import time
from collections.abc import Callable, Iterator

from runtime import __version__
from runtime.connection import CloseReason
from runtime.counters import ACCEPT_ERRORS, DROP_REASONS, Counts

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
PREFIX = "small_services_"

# To sum over thousands of connections takes time from the serving loop.
MAX_AGE_S = 0.25

Samples = dict[str, int]  # labels as they stand in braces, or nothing: value


class Metrics:
    """The metrics text of a server, computed at most once in `MAX_AGE_S`; for one thread."""

    def __init__(self, counts: Callable[[], Counts], service: str, model: str) -> None:
        self._counts = counts
        self._labels = (service, model)
        self._text = ""
        self._computed_at = -math.inf

    def text(self) -> str:
        """Return the text, which is at most `MAX_AGE_S` old."""
        now = time.monotonic()
        if now - self._computed_at >= MAX_AGE_S:
            self._text = metrics_text(self._counts(), *self._labels)
            self._computed_at = now
        return self._text


def metrics_text(counts: Counts, service: str, model: str) -> str:
    """Return all counters. No label names a peer: the number of peers is unbounded."""
    return "\n".join(line for family in _families(counts, service, model) for line in family) + "\n"


def _families(counts: Counts, service: str, model: str) -> Iterator[list[str]]:
    build = f'service="{service}",model="{model}",version="{__version__}"'
    received = _by_transport(counts["received"], counts["datagram_bytes_received"])
    sent = _by_transport(counts["sent"], counts["datagram_bytes_sent"])
    close_reasons = {f'ending="{reason.value}"': counts[reason] for reason in CloseReason}
    drops = {f'reason="{reason}"': counts[reason] for reason in DROP_REASONS}
    errors = {f'error="{name}"': counts[name] for name in ACCEPT_ERRORS}
    yield _family("build_info", "gauge", "What runs here.", {build: 1})
    yield _family("connections_total", "counter", "Accepted.", {"": counts["connections"]})
    yield _family("connections_active", "gauge", "Open now.", {"": counts["open"]})
    yield _family("connection_endings_total", "counter", "Ended, by kind.", close_reasons)
    yield _family("received_bytes_total", "counter", "Data in.", received)
    yield _family("sent_bytes_total", "counter", "Data out.", sent)
    yield _family("datagrams_received_total", "counter", "In.", {"": counts["datagrams_received"]})
    yield _family("datagrams_sent_total", "counter", "Out.", {"": counts["datagrams_sent"]})
    yield _family("datagrams_dropped_total", "counter", "Not answered, by reason.", drops)
    yield _family("accept_errors_total", "counter", "Callers who had to wait, by reason.", errors)


def _by_transport(tcp: int, udp: int) -> Samples:
    return {'transport="tcp"': tcp, 'transport="udp"': udp}


def _family(name: str, kind: str, help: str, samples: Samples) -> list[str]:
    head = [f"# HELP {PREFIX}{name} {help}", f"# TYPE {PREFIX}{name} {kind}"]
    braces = {labels: f"{{{labels}}}" if labels else "" for labels in samples}
    return head + [f"{PREFIX}{name}{braces[each]} {value}" for each, value in samples.items()]

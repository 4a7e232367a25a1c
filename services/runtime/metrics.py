"""The tally as Prometheus text, exposition format 0.0.4."""

from collections.abc import Iterator

from runtime import __version__
from runtime.tally import Tally

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
PREFIX = "small_services_"

Samples = dict[str, int]  # labels as they stand in braces, or nothing: value


def metrics_text(tally: Tally, service: str, model: str) -> str:
    """Every counter of the tally. There is no label for peers: they are without number."""
    return "\n".join(line for family in _families(tally, service, model) for line in family) + "\n"


def _families(tally: Tally, service: str, model: str) -> Iterator[list[str]]:
    received, sent = tally.stream_bytes()
    endings = {f'ending="{ending.value}"': count for ending, count in tally.endings.items()}
    build = f'service="{service}",model="{model}",version="{__version__}"'
    both = (tally.datagram_bytes_received, tally.datagram_bytes_sent)
    yield _family("build_info", "gauge", "What runs here.", {build: 1})
    yield _family("connections_total", "counter", "Accepted.", {"": tally.connections})
    yield _family("connections_active", "gauge", "Open now.", {"": len(tally.open)})
    yield _family("connection_endings_total", "counter", "Ended, by kind.", endings)
    yield _family("received_bytes_total", "counter", "Data in.", _by_transport(received, both[0]))
    yield _family("sent_bytes_total", "counter", "Data out.", _by_transport(sent, both[1]))
    yield _family("datagrams_received_total", "counter", "In.", {"": tally.datagrams_received})
    yield _family("datagrams_sent_total", "counter", "Out.", {"": tally.datagrams_sent})
    drops = {f'reason="{reason}"': count for reason, count in tally.drops.copy().items()}
    yield _family("datagrams_dropped_total", "counter", "Not answered, by reason.", drops)
    errors = {f'error="{name}"': count for name, count in tally.accept_errors.copy().items()}
    yield _family("accept_errors_total", "counter", "Callers without means for one.", errors)


def _by_transport(tcp: int, udp: int) -> Samples:
    return {'transport="tcp"': tcp, 'transport="udp"': udp}


def _family(name: str, kind: str, help: str, samples: Samples) -> list[str]:
    head = [f"# HELP {PREFIX}{name} {help}", f"# TYPE {PREFIX}{name} {kind}"]
    braces = {labels: f"{{{labels}}}" if labels else "" for labels in samples}
    return head + [f"{PREFIX}{name}{braces[each]} {value}" for each, value in samples.items()]

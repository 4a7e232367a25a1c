"""A network that delays, splits and cuts: bytes stay exact, and a cut ends one connection only."""

import json

import pytest

from process.clients import tool
from relay import Relay
from server_process import Serve


def probe(service: str, relay: Relay, *flags: str) -> dict[str, object]:
    """What the probe says of a service behind the relay."""
    run = tool.run("probe", service, f"127.0.0.1:{relay.port}", "--json", *flags)
    return dict(json.loads(run.out))


@pytest.mark.fault("a network that delays and splits")
def test_bytes_stay_exact_in_pieces(serve: Serve, model: str) -> None:
    """E1, E3: what comes and goes in random pieces with random pauses comes back as it was."""
    server = serve("echo", "--model", model)
    with Relay(server.port, piece=1500, pause_s=0.001) as relay:
        assert probe("echo", relay, "--size", "300000", "--timeout", "30")["outcome"] == "OK"
    [line] = server.connections(1)
    assert (line["bytes_in"], line["bytes_out"], line["ended"]) == (300_000, 300_000, "done")


@pytest.mark.fault("a network that delays and splits")
def test_the_line_stays_whole_in_pieces(serve: Serve, model: str) -> None:
    """D1, D4: the line arrives byte by byte, and still ends where it ends."""
    server = serve("daytime", "--model", model)
    with Relay(server.port, piece=1, pause_s=0.01) as relay:
        assert probe("daytime", relay)["outcome"] == "OK"


@pytest.mark.fault("a network that cuts a connection")
def test_a_cut_ends_one_connection(serve: Serve, model: str) -> None:
    """A connection that the network cuts is a reset to both ends; the next one is served."""
    server = serve("echo", "--model", model)
    with Relay(server.port) as relay:
        assert probe("echo", relay)["outcome"] == "OK"
        server.connections(1)  # so that all that a server opens for itself is open
    baseline = server.baseline()
    with Relay(server.port, cut_after=50_000) as relay:
        assert probe("echo", relay, "--size", "1000000")["outcome"] == "RESET"
        assert server.connections(2)[1]["ended"] == "reset"
        assert probe("echo", relay, "--size", "1000")["outcome"] == "OK"
    server.returns_to(baseline)

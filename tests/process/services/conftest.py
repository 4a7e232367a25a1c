"""Servers to call, each model in turn."""

from collections.abc import Iterator
from typing import Any

import pytest

from server_process import Serve, ServerProcess


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start servers as child processes; whatever still runs at the end is killed."""
    started: list[ServerProcess] = []

    def start(service: str, *flags: str, **options: Any) -> ServerProcess:
        server = ServerProcess(service, *flags, **options)
        started.append(server)
        return server

    yield start
    for server in started:
        server.end()


@pytest.fixture(params=["iterative", "threaded", "evented"])
def model(request: pytest.FixtureRequest) -> str:
    """Each of the three models."""
    return str(request.param)


@pytest.fixture(params=["threaded", "evented"])
def concurrent_model(request: pytest.FixtureRequest) -> str:
    """The models in which no caller waits for another."""
    return str(request.param)

"""The stack under compose, by way of pytest-docker."""

import os
from collections.abc import Iterator
from shlex import quote

import pytest
from pytest_docker.plugin import Services, get_docker_services

from stack import ROOT, Stack, file_for_tests, run


@pytest.fixture(scope="session", autouse=True)
def engine() -> None:
    """Without a Docker engine there is nothing to test here, which only CI may not accept."""
    result = run("docker", "info")
    if result.returncode != 0:
        reason = f"no Docker engine answers: {result.stderr.strip()}"
        if os.environ.get("REQUIRE_DOCKER") == "1":
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture(scope="session")
def docker_compose_command() -> str:
    """The newer compose where there is one; a build context is relative to the project."""
    compose = "docker compose" if run("docker", "compose", "version").returncode == 0 else ""
    return f"{compose or 'docker-compose'} --project-directory {quote(str(ROOT))}"


@pytest.fixture(scope="session")
def docker_compose_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The project's own compose file, but for what tests must not have."""
    return str(file_for_tests(tmp_path_factory.mktemp("compose")))


@pytest.fixture(scope="session")
def docker_setup() -> list[str]:
    """Nothing: a failure here would leave containers behind; `stack` does it inside."""
    return []


@pytest.fixture(scope="session")
def docker_cleanup() -> list[str]:
    """What a stopped session must leave: nothing; no container is worth waiting for."""
    return ["down --volumes --timeout 0"]


@pytest.fixture(scope="session")
def stack(docker_services: Services) -> Stack:
    """The stack, up and healthy, in its default model."""
    stack = Stack(docker_services)
    stack.up()
    return stack


@pytest.fixture
def old_stack(docker_compose_file: str) -> Iterator[Stack]:
    """The same under docker-compose 1.29, in a project of its own."""
    command = f"docker-compose --project-directory {quote(str(ROOT))}"
    if run("docker-compose", "version").returncode != 0:
        if os.environ.get("REQUIRE_DOCKER") == "1":
            pytest.fail("docker-compose 1.29 is missing")
        pytest.skip("docker-compose 1.29 is missing")
    project = f"pytest-old-{os.getpid()}"
    with get_docker_services(
        command, docker_compose_file, project, [], ["down --volumes --timeout 0"]
    ) as services:
        yield Stack(services)

"""The stack under compose: the project's own file, in a project of the tests' own."""

import json
import os
import shlex
import subprocess
from pathlib import Path
from typing import Any

import yaml
from pytest_docker.plugin import Services

from server_process import wait_until

ROOT = Path(__file__).parents[2]
SERVERS = ("daytime", "echo")
IMAGES = tuple(f"small-services/{name}:0.1.0" for name in SERVERS)
PATIENCE_S = 120.0

# Waits to be asked; `exec` into it is a second faster than a container for each question.
IDLE_CLIENT = ["python3.13", "-c", "import signal; signal.sigwait({signal.SIGTERM})"]


def file_for_tests(folder: Path) -> Path:
    """The compose file for tests: no published ports, so it can run beside `make up`, and all
    services started, profiles or not.
    """
    stack = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    for service in stack["services"].values():
        service.pop("ports", None)
        service.pop("profiles", None)
        if "healthcheck" in service:
            service["healthcheck"]["interval"] = "1s"  # for the tests' sake: they wait for it
    stack["services"]["client"]["command"] = IDLE_CLIENT
    file = folder / "docker-compose.yml"
    file.write_text(yaml.safe_dump(stack))
    return file


def run(*command: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; status, output and errors."""
    return subprocess.run(
        command,
        env=os.environ | (env or {}),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def output(*command: str, env: dict[str, str] | None = None) -> str:
    """The output of a command that must succeed."""
    result = run(*command, env=env)
    assert result.returncode == 0, f"{command}: {result.stdout}{result.stderr}"
    return result.stdout


class Stack:
    """A running stack: bring it up in some way, ask the client, look into the containers."""

    def __init__(self, services: Services) -> None:
        executor = services._docker_compose
        files = [part for file in executor._compose_files for part in ("-f", str(file))]
        command = shlex.split(executor._compose_command)
        self._compose = [*command, *files, "-p", executor._compose_project_name]

    def compose(self, *arguments: str, env: dict[str, str] | None = None) -> str:
        """The output of a compose command that must succeed."""
        return output(*self._compose, *arguments, env=env)

    def up(self, **env: str) -> None:
        """Start what is not running or not as `env` asks, and wait until all are healthy."""
        self.compose("up", "-d", env=env)
        try:
            wait_until(self.is_healthy, "health", PATIENCE_S)
        except AssertionError as error:
            raise AssertionError(self.compose("logs")) from error

    def is_healthy(self) -> bool:
        """Whether both servers are."""
        return all(self.health(name) == "healthy" for name in SERVERS)

    def container(self, service: str) -> str:
        """The id of a service's container, running or not."""
        return self.compose("ps", "-aq" if "docker" in self._compose else "-q", service).strip()

    def inspect(self, service: str) -> dict[str, Any]:
        """What the engine knows of a service's container."""
        (container,) = json.loads(output("docker", "inspect", self.container(service)))
        return dict(container)

    def health(self, service: str) -> str:
        """`starting`, `healthy` or `unhealthy`."""
        return str(self.inspect(service)["State"]["Health"]["Status"])

    def execute(self, service: str, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in a service's container."""
        return run("docker", "exec", self.container(service), *command)

    def python(self, service: str, code: str, *arguments: str) -> str:
        """The output of Python code in a service's container, which must succeed."""
        result = self.execute(service, "python3.13", "-c", code, *arguments)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    def ask(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a client tool inside the network."""
        return self.execute("client", *command)

    def log(self, service: str) -> list[dict[str, Any]]:
        """The log lines of a service."""
        lines = output("docker", "logs", self.container(service)).splitlines()
        return [json.loads(line) for line in lines]

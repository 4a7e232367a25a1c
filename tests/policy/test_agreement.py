"""Code, Dockerfiles and compose say the same of ports, users, versions and time."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

import probes
import runtime
from daytime.settings import DaytimeSettings
from echo.settings import EchoSettings
from runtime.settings import parse

ROOT = Path(__file__).parent.parent.parent
STACK: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SETTINGS = {"daytime": DaytimeSettings, "echo": EchoSettings}
DOCKERFILES = {
    "daytime": ROOT / "services/daytime/Dockerfile",
    "echo": ROOT / "services/echo/Dockerfile",
    "client": ROOT / "clients/Dockerfile",
}


def instructions(name: str, instruction: str) -> list[str]:
    """The arguments of an instruction in a Dockerfile, continued lines joined."""
    text = DOCKERFILES[name].read_text().replace("\\\n", " ")
    return re.findall(rf"^{instruction} (.*)$", text, re.MULTILINE)


def environment(name: str) -> dict[str, str]:
    """A compose service's environment, with each variable at its default."""
    return {
        key: re.sub(r"\$\{\w+:-(.*)\}", r"\1", str(value))
        for key, value in STACK["services"][name]["environment"].items()
    }


@pytest.mark.parametrize("name", SETTINGS)
def test_ports_agree(name: str) -> None:
    """The default port is the one exposed, published and mapped to itself, on loopback only."""
    port = SETTINGS[name].rows()["port"].default
    assert instructions(name, "EXPOSE") == [str(port)]
    published = f"127.0.0.1:{port}:{port}"
    assert STACK["services"][name]["ports"] == [published, f"{published}/udp"]


@pytest.mark.parametrize("name", DOCKERFILES)
def test_versions_agree(name: str) -> None:
    """Both packages, all labels and all tags are of one version."""
    version = probes.__version__ if name == "client" else runtime.__version__
    assert version == runtime.__version__
    assert f"VERSION={version}" in instructions(name, "ARG")
    assert STACK["services"][name]["image"] == f"small-services/{name}:{version}"


@pytest.mark.parametrize("name", DOCKERFILES)
def test_images_run_without_root_and_shell(name: str) -> None:
    """Users are numbers, and nothing is run by a shell, at build time or later."""
    assert instructions(name, "USER") == ["10001:10001"]
    for instruction in ("RUN", "ENTRYPOINT", "CMD"):
        assert all(each.startswith("[") for each in instructions(name, instruction))


@pytest.mark.parametrize("name", SETTINGS)
def test_service_images_start_from_scratch(name: str) -> None:
    """The last stage of a service image holds nothing that was not put there."""
    assert instructions(name, "FROM")[-1] == "scratch"


def test_both_service_images_are_made_alike() -> None:
    """But for names and ports, one Dockerfile is the other."""
    echo = DOCKERFILES["echo"].read_text().replace("echo", "daytime").replace("1201", "1200")
    assert echo == DOCKERFILES["daytime"].read_text()


# All that a service of compose says. There is no volume, no network, no user and no device in it.
ABOUT = {
    "build",
    "command",
    "depends_on",
    "environment",
    "healthcheck",
    "image",
    "ports",
    "profiles",
}
CONFINED = {"cap_drop", "cpus", "init", "logging", "mem_limit", "pids_limit", "read_only"}
CONFINED |= {"ipc", "restart", "security_opt", "stop_grace_period", "ulimits"}


@pytest.mark.parametrize("name", STACK["services"])
def test_containers_are_confined(name: str) -> None:
    """Read-only, no capability, none to be gained, bounded memory, processes and logs."""
    service = STACK["services"][name]
    assert service.keys() <= ABOUT | CONFINED
    assert name in SETTINGS or "ports" not in service
    assert name not in SETTINGS or "command" not in service
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["init"] is True
    assert {"mem_limit", "cpus", "pids_limit", "logging"} <= service.keys()
    assert service["logging"]["options"].keys() >= {"max-size", "max-file"}


@pytest.mark.parametrize("name", SETTINGS)
def test_compose_settings_are_settings(name: str) -> None:
    """What compose sets is known, and leaves room: time to drain, descriptors and threads."""
    service = STACK["services"][name]
    settings, _ = parse(SETTINGS[name], name, "0", [], environment(name))
    grace = int(service["stop_grace_period"].removesuffix("s"))
    assert grace > settings.drain_delay + settings.drain_timeout
    assert (settings.host, settings.port) == ("", SETTINGS[name].rows()["port"].default)
    assert service["ulimits"]["nofile"] >= settings.max_connections + 32
    assert service["pids_limit"] > settings.max_connections


def test_the_network_leads_nowhere() -> None:
    """Services answer, but reach nothing outside."""
    options = STACK["networks"]["default"]["driver_opts"]
    assert options == {"com.docker.network.bridge.enable_ip_masquerade": "false"}


@pytest.mark.parametrize("name", SETTINGS)
def test_health_is_the_services_own_check(name: str) -> None:
    """Health is asked by the service's own check, and only where the stack is described."""
    health = STACK["services"][name]["healthcheck"]["test"]
    assert health == ["CMD", "python3.13", "-m", name, "--check"]
    assert instructions(name, "HEALTHCHECK") == []

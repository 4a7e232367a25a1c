"""The Kubernetes manifests: they render, fit the schemas, and agree with code, compose and images.

Schemas see little: that a selector selects, that a probe's path is served, that a drain ends before
the grace period does, is for the tests below them.
"""

import functools
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from kubernetes_validate.utils import all_versions

import runtime
from daytime.settings import DaytimeSettings
from echo.settings import EchoSettings
from kustomize import Manifest, render
from runtime.admin import Admin
from runtime.settings import Settings, parse

ROOT = Path(__file__).parent.parent.parent
STACK: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SETTINGS: dict[str, type[Settings]] = {"daytime": DaytimeSettings, "echo": EchoSettings}
COMPONENTS = [f"components/{path.name}" for path in sorted((ROOT / "k8s/components").iterdir())]
# dual-stack patches what the others have made.
COMPONENTS.sort(key=lambda name: "dual-stack" in name)

# What people apply, each component alone, and all that there is.
ALL = "everything"
COMBINATIONS: dict[str, tuple[list[str], list[str]]] = {
    **{
        name: ([name], [])
        for name in [
            "base",
            "client",
            "jobs/check",
            "overlays/local",
            "overlays/registry",
            "overlays/registry/check",
        ]
    },
    **{name: (["base"], [name]) for name in COMPONENTS},
    ALL: (["base", "client", "jobs/check"], COMPONENTS),
}

MINORS = list(dict.fromkeys(all_versions()))[-3:]

LABELS = {"name", "instance", "version", "component", "part-of", "managed-by"}
DNS_LABEL = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")  # RFC 1035 section 2.3.1
PORT_NAME = re.compile(r"(?=.{1,15}$)(?=.*[a-z])[a-z0-9]+(-[a-z0-9]+)*")  # RFC 6335 section 5.1
LABEL_VALUE = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")

# What a volume may be in the restricted Pod Security Standard.
VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}

combinations = pytest.mark.parametrize("combination", COMBINATIONS)
servers = pytest.mark.parametrize("name", SETTINGS)


@functools.cache
def rendered(combination: str) -> list[Manifest]:
    """All manifests of a combination."""
    if not shutil.which("kubectl"):
        if os.environ.get("REQUIRE_KUBECTL") == "1":
            pytest.fail("there is no kubectl")
        pytest.skip("there is no kubectl")
    return render(*COMBINATIONS[combination])


@pytest.fixture
def manifests(combination: str) -> list[Manifest]:
    """All manifests of the combination that a test is about."""
    return rendered(combination)


@pytest.fixture
def everything() -> list[Manifest]:
    """All that there is, together."""
    return rendered(ALL)


def of_kind(manifests: list[Manifest], *kinds: str) -> list[Manifest]:
    """Those of some kinds."""
    return [each for each in manifests if each["kind"] in kinds]


def named(manifests: list[Manifest], kind: str, name: str) -> Manifest:
    """The one of a kind that has a name."""
    [found] = [each for each in of_kind(manifests, kind) if each["metadata"]["name"] == name]
    return found


def workloads(manifests: list[Manifest]) -> list[Manifest]:
    """What makes pods."""
    return of_kind(manifests, "Deployment", "Job")


def pod(workload: Manifest) -> dict[str, Any]:
    """The pods that a workload makes."""
    return dict(workload["spec"]["template"]["spec"])


def labels_of_pods(manifests: list[Manifest]) -> list[dict[str, str]]:
    """The labels of the pods of each workload."""
    return [each["spec"]["template"]["metadata"]["labels"] for each in workloads(manifests)]


def server(manifests: list[Manifest], name: str) -> dict[str, Any]:
    """The container of a service."""
    [container] = pod(named(manifests, "Deployment", name))["containers"]
    return dict(container)


def environment(container: dict[str, Any]) -> dict[str, str]:
    """A container's variables; one that the cluster fills in is the name of a pod."""
    return {each["name"]: each.get("value", "echo-5d4f8c-x2x") for each in container["env"]}


def settings(manifests: list[Manifest], name: str) -> Settings:
    """What a service's container makes of its variables."""
    return parse(SETTINGS[name], name, "0", [], environment(server(manifests, name)))[0]


def selectors(value: Any) -> Iterator[dict[str, Any]]:
    """All label selectors below a value that do not select everything."""
    if isinstance(value, dict):
        if "matchLabels" in value or "matchExpressions" in value:
            yield value
        for each in value.values():
            yield from selectors(each)
    elif isinstance(value, list):
        for each in value:
            yield from selectors(each)


def selected(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    """Whether labels satisfy a selector, of whose operators only In is known here."""
    assert {each["operator"] for each in selector.get("matchExpressions", [])} <= {"In"}
    return selector.get("matchLabels", {}).items() <= labels.items() and all(
        labels.get(each["key"]) in each["values"] for each in selector.get("matchExpressions", [])
    )


@pytest.mark.parametrize("minor", MINORS)
@combinations
def test_schemas(manifests: list[Manifest], minor: str) -> None:
    """Strict schemas of the three newest minors know every kind and every field."""
    for manifest in manifests:
        kubernetes_validate.validate(manifest, minor, strict=True)


@combinations
def test_names_are_within_limits(manifests: list[Manifest]) -> None:
    """Names, ports and labels have the form and length that Kubernetes and DNS ask for."""
    for manifest in manifests:
        metadata = manifest["metadata"]
        assert DNS_LABEL.fullmatch(metadata["name"])
        assert all(LABEL_VALUE.fullmatch(value) for value in metadata["labels"].values())
    for workload in workloads(manifests):
        assert len(workload["metadata"]["name"]) <= 63 - len("-0123456789-01234")
        for container in pod(workload)["containers"]:
            assert all(PORT_NAME.fullmatch(port["name"]) for port in container.get("ports", []))


@combinations
def test_everything_is_labelled(manifests: list[Manifest]) -> None:
    """Objects and pods carry the recommended labels, and the version is that of the code."""
    for labels in [each["metadata"]["labels"] for each in manifests] + labels_of_pods(manifests):
        assert {f"app.kubernetes.io/{key}" for key in LABELS} <= labels.keys()
        assert labels["app.kubernetes.io/version"] == runtime.__version__


@combinations
def test_all_is_in_one_namespace(manifests: list[Manifest]) -> None:
    """Nothing lands in whatever namespace is the current one."""
    for manifest in manifests:
        if manifest["kind"] == "Namespace":
            assert manifest["metadata"]["name"] == "small-services"
        else:
            assert manifest["metadata"]["namespace"] == "small-services"


@combinations
def test_pods_are_restricted(manifests: list[Manifest]) -> None:
    """Every field of the restricted Pod Security Standard, and what we ask beyond it."""
    for workload in workloads(manifests):
        spec = pod(workload)
        assert not {"hostNetwork", "hostPID", "hostIPC", "hostUsers"} & spec.keys()
        assert not {"initContainers", "ephemeralContainers"} & spec.keys()
        for volume in spec.get("volumes", []):
            assert volume.keys() - {"name"} <= VOLUMES
        context = spec["securityContext"]
        user, group = (
            (ROOT / "clients/Dockerfile").read_text().split("USER ")[1].split()[0].split(":")
        )
        assert context == {
            "runAsNonRoot": True,
            "runAsUser": int(user),
            "runAsGroup": int(group),
            "seccompProfile": {"type": "RuntimeDefault"},
        }
        assert spec["automountServiceAccountToken"] is False
        assert spec["enableServiceLinks"] is False
        for container in spec["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
                "readOnlyRootFilesystem": True,
            }
            assert not any(
                "hostPort" in port or "hostIP" in port for port in container.get("ports", [])
            )
            assert "lifecycle" not in container
            assert container["resources"]["requests"].keys() == {"cpu", "memory"}
            assert container["resources"]["limits"].keys() == {"cpu", "memory"}


def test_the_namespace_enforces_the_restricted_standard(everything: list[Manifest]) -> None:
    """A pod that is less confined is turned away, ours or not."""
    labels = named(everything, "Namespace", "small-services")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


@combinations
def test_selectors_select(manifests: list[Manifest], combination: str) -> None:
    """Every selector matches pods, its own ones where it has any, and none asks for a version."""
    for manifest in manifests:
        spec = manifest.get("spec", {})
        if manifest["kind"] == "Service":
            spec = {"selector": {"matchLabels": spec["selector"]}}
        for selector in selectors(spec):
            assert "version" not in json.dumps(selector)
            if combination == ALL or manifest["kind"] != "NetworkPolicy":
                assert any(selected(selector, labels) for labels in labels_of_pods(manifests))
            if manifest["kind"] == "Deployment":
                assert selected(selector, spec["template"]["metadata"]["labels"])


@servers
def test_ports_agree(everything: list[Manifest], name: str) -> None:
    """Container, Services and code say the same port; names follow one rule; UDP is apart."""
    port = SETTINGS[name].rows()["port"].default
    container = server(everything, name)
    admin = int(environment(container)["SERVE_ADMIN_PORT"])
    assert sorted(container["ports"], key=lambda each: each["containerPort"]) == [
        {"name": f"{name}-tcp", "containerPort": port},
        {"name": "admin", "containerPort": admin},
    ]
    tcp = named(everything, "Service", name)["spec"]
    udp = named(everything, "Service", f"{name}-udp")["spec"]
    assert tcp["ports"] == [
        {"name": f"{name}-tcp", "port": port, "targetPort": f"{name}-tcp", "appProtocol": "tcp"}
    ]
    assert udp["ports"] == [
        {"name": f"{name}-udp", "port": port, "targetPort": port, "protocol": "UDP"}
    ]
    for service in (tcp, udp):
        assert service["selector"] == {"app.kubernetes.io/name": name}
        assert service["ipFamilyPolicy"] == "PreferDualStack"
    [ingress] = named(everything, "NetworkPolicy", name)["spec"]["ingress"]
    both = [{"protocol": "TCP", "port": port}, {"protocol": "UDP", "port": port}]
    assert ingress["ports"] == both
    names, services = named(everything, "NetworkPolicy", "callers")["spec"]["egress"]
    assert {each["port"] for each in names["ports"]} == {53}
    assert all(each in services["ports"] for each in both)


def test_policies_keep_the_client_from_echo(everything: list[Manifest]) -> None:
    """All is denied that no policy names; echo lets the check in but not the client."""
    deny = named(everything, "NetworkPolicy", "default-deny")["spec"]
    assert deny == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    [ingress] = named(everything, "NetworkPolicy", "echo")["spec"]["ingress"]
    [peer] = ingress["from"]
    admitted = {
        labels["app.kubernetes.io/name"]
        for labels in labels_of_pods(everything)
        if selected(peer["podSelector"], labels)
    }
    assert admitted == {"check"}
    for policy in of_kind(everything, "NetworkPolicy"):
        for labels in labels_of_pods(everything):
            if labels["app.kubernetes.io/component"] == "server" and "egress" in policy["spec"]:
                assert not selected(policy["spec"]["podSelector"], labels)


@servers
def test_probes_ask_what_is_served(everything: list[Manifest], name: str) -> None:
    """Probes are HTTP on the admin port, at paths that it has, and name no host."""
    container = server(everything, name)
    pages = Admin(lambda: True, lambda: True, str).answer(b"GET / HTTP/1.0\r\n\r\n").split()
    for kind, path in (("readinessProbe", "/readyz"), ("livenessProbe", "/livez")):
        assert container[kind]["httpGet"] == {"path": path, "port": "admin"}
        assert path.encode() in pages
    assert not {"startupProbe"} & container.keys()


@servers
def test_variables_are_settings(everything: list[Manifest], name: str) -> None:
    """What a Deployment sets is known to the service, and is what compose sets."""
    ours = environment(server(everything, name))
    compose = {key: str(value) for key, value in STACK["services"][name]["environment"].items()}
    assert settings(everything, name).udp
    for key in ("SERVE_ADMIN_PORT", "SERVE_MAX_CONNECTIONS", "SERVE_UDP"):
        assert ours[key] == compose[key]
    memory = f"{STACK['services'][name]['mem_limit']}i".upper()
    resources = server(everything, name)["resources"]
    assert resources["limits"]["memory"].upper() == memory
    assert resources["requests"]["memory"].upper() == memory


@servers
def test_a_drain_ends_within_the_grace_period(everything: list[Manifest], name: str) -> None:
    """Drain delay and drain timeout together leave the grace period a margin of five seconds."""
    drain = settings(everything, name)
    assert drain.drain_delay > 0
    grace = pod(named(everything, "Deployment", name))["terminationGracePeriodSeconds"]
    assert drain.drain_delay + drain.drain_timeout + 5 <= grace


@servers
def test_a_rollout_keeps_all_replicas(everything: list[Manifest], name: str) -> None:
    """Two replicas, spread where there are nodes, and a new one ready before an old one goes."""
    spec = named(everything, "Deployment", name)["spec"]
    assert spec["replicas"] == 2
    assert spec["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    [spread] = spec["template"]["spec"]["topologySpreadConstraints"]
    assert spread["whenUnsatisfiable"] == "ScheduleAnyway"
    assert named(everything, "PodDisruptionBudget", name)["spec"]["maxUnavailable"] == 1


def test_daytime_says_which_pod_answers(everything: list[Manifest]) -> None:
    """D5: the identity on daytime's line is the name of the pod."""
    [identity] = [each for each in server(everything, "daytime")["env"] if "value" not in each]
    field = {"fieldRef": {"fieldPath": "metadata.name"}}
    assert identity == {"name": "SERVE_IDENTITY", "valueFrom": field}


@pytest.mark.parametrize("combination", ["base", "client", "jobs/check", "overlays/local"])
def test_images_are_those_of_compose(manifests: list[Manifest], combination: str) -> None:
    """Names and tags are those that compose builds; where images are loaded none is pulled."""
    for workload in workloads(manifests):
        name = workload["metadata"]["name"]
        for container in pod(workload)["containers"]:
            ours = STACK["services"][name if name in SETTINGS else "client"]["image"]
            assert container["image"] == ours
            never = "Never" if combination == "overlays/local" else "IfNotPresent"
            assert container["imagePullPolicy"] == never


def test_a_registry_is_named_in_one_place() -> None:
    """Each image is renamed once, for the stack and for the check, and keeps its tag."""
    renamed = {
        container["image"]
        for name in ("overlays/registry", "overlays/registry/check")
        for workload in workloads(rendered(name))
        for container in pod(workload)["containers"]
    }
    ours = {STACK["services"][name]["image"] for name in (*SETTINGS, "client")}
    assert renamed == {f"registry.example.com/{image}" for image in ours}


@pytest.mark.parametrize("combination", ["overlays/local", "overlays/registry"])
def test_overlays_hold_the_whole_stack(manifests: list[Manifest]) -> None:
    """Both services, their budgets, and a client to see them with."""
    found = [(each["kind"], each["metadata"]["name"]) for each in manifests]
    assert sorted(found) == sorted(
        [
            ("Namespace", "small-services"),
            *[(kind, name) for kind in ("Service", "Deployment") for name in SETTINGS],
            *[("PodDisruptionBudget", name) for name in SETTINGS],
            ("Deployment", "client"),
        ]
    )


def test_the_check_asks_both_services_by_name(everything: list[Manifest]) -> None:
    """The Job's probes aim at the names and ports of the Services."""
    asked = {
        tuple(container["command"][:3])
        for container in pod(named(everything, "Job", "check"))["containers"]
    }
    ports = {name: kind.rows()["port"].default for name, kind in SETTINGS.items()}
    assert asked == {("probe", name, f"{name}:{port}") for name, port in ports.items()}

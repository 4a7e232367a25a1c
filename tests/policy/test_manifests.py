"""The Kubernetes manifests: they render, fit the schemas, and agree with code, compose and images.

Schemas see little: that a selector selects, that a probe's path is served, that a drain ends before
the grace period does, is for the tests below them. What a field may hold is listed, not what it may
not: whoever adds one has to say here that it is meant.
"""

import functools
import importlib.util
import json
import re
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
from kustomize import Manifest, need_kubectl, render
from runtime.admin import Admin
from runtime.settings import Settings, parse

ROOT = Path(__file__).parent.parent.parent
STACK: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SETTINGS: dict[str, type[Settings]] = {"daytime": DaytimeSettings, "echo": EchoSettings}
PORTS: dict[str, int] = {name: kind.rows()["port"].default for name, kind in SETTINGS.items()}
COMPONENTS = [f"components/{path.name}" for path in sorted((ROOT / "k8s/components").iterdir())]
# dual-stack patches what the others have made.
COMPONENTS.sort(key=lambda name: "dual-stack" in name)

# What people apply, each component alone, and all that there is.
ALL = "everything"
WHOLE = ["base", "overlays/local", "overlays/registry"]
PARTS = ["client", "jobs/check", "overlays/local/check", "overlays/registry/check"]
COMBINATIONS: dict[str, tuple[list[str], list[str]]] = {
    **{name: ([name], []) for name in WHOLE + PARTS},
    **{name: (["base"], [name]) for name in COMPONENTS},
    ALL: (["base", "client", "jobs/check"], COMPONENTS),
}

MINORS = list(dict.fromkeys(all_versions()))[-3:]

NAME = "app.kubernetes.io/name"
LABELS = {
    f"app.kubernetes.io/{key}"
    for key in ("name", "instance", "version", "component", "part-of", "managed-by")
}
DNS_LABEL = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")  # RFC 1035 section 2.3.1
PORT_NAME = re.compile(r"(?=.{1,15}$)(?=.*[a-z])[a-z0-9]+(-[a-z0-9]+)*")  # RFC 6335 section 5.1
LABEL_VALUE = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
GENERATED = "-0123456789-01234"  # what a pod's name has beyond its Deployment's

# All that workloads say. There is no volume, no annotation, no node and no account among it.
DEPLOYMENT = {"replicas", "selector", "strategy", "template"}
JOB = {"activeDeadlineSeconds", "backoffLimit", "template", "ttlSecondsAfterFinished"}
POD = {
    "automountServiceAccountToken",
    "containers",
    "enableServiceLinks",
    "restartPolicy",
    "securityContext",
    "terminationGracePeriodSeconds",
    "topologySpreadConstraints",
}
CONTAINER = {"image", "imagePullPolicy", "name", "resources", "securityContext"}
SERVER = CONTAINER | {"env", "livenessProbe", "ports", "readinessProbe"}
TOOL = CONTAINER | {"command"}

combinations = pytest.mark.parametrize("combination", COMBINATIONS)
servers = pytest.mark.parametrize("name", SETTINGS)
stacks = pytest.mark.parametrize("combination", [*WHOLE, ALL])


@functools.cache
def rendered(combination: str) -> list[Manifest]:
    """All manifests of a combination."""
    need_kubectl()
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


def spec_of(manifests: list[Manifest], kind: str, name: str) -> dict[str, Any]:
    """What is wanted of the one of a kind that has a name."""
    return dict(named(manifests, kind, name)["spec"])


def workloads(manifests: list[Manifest]) -> list[Manifest]:
    """What makes pods."""
    return of_kind(manifests, "Deployment", "Job")


def pod(workload: Manifest) -> dict[str, Any]:
    """The pods that a workload makes."""
    return dict(workload["spec"]["template"]["spec"])


def containers(manifests: list[Manifest]) -> list[dict[str, Any]]:
    """All containers in all pods."""
    return [each for workload in workloads(manifests) for each in pod(workload)["containers"]]


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


def user() -> tuple[int, int]:
    """User and group of the images; another test holds that all have the same."""
    dockerfile = (ROOT / "clients/Dockerfile").read_text()
    number, group = dockerfile.split("USER ")[1].split()[0].split(":")
    return int(number), int(group)


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
        assert DNS_LABEL.fullmatch(manifest["metadata"]["name"])
        assert all(map(LABEL_VALUE.fullmatch, manifest["metadata"]["labels"].values()))
    for workload in workloads(manifests):
        assert DNS_LABEL.fullmatch(workload["metadata"]["name"] + GENERATED)
    for container in containers(manifests):
        assert all(PORT_NAME.fullmatch(port["name"]) for port in container.get("ports", []))


@combinations
def test_everything_is_labelled(manifests: list[Manifest]) -> None:
    """Objects and pods carry the recommended labels, and the version is that of the code."""
    for labels in [each["metadata"]["labels"] for each in manifests] + labels_of_pods(manifests):
        assert labels.keys() >= LABELS
        assert labels["app.kubernetes.io/version"] == runtime.__version__
        assert labels["app.kubernetes.io/part-of"] == "small-services"


@combinations
def test_all_is_in_one_namespace(manifests: list[Manifest]) -> None:
    """Nothing lands in whatever namespace is the current one, and nothing is annotated."""
    for manifest in manifests:
        own = {} if manifest["kind"] == "Namespace" else {"namespace": "small-services"}
        metadata = {**manifest["metadata"]}
        assert metadata.pop("labels")
        assert metadata == {"name": metadata["name"], **own}


def test_the_scripts_know_their_namespace(everything: list[Manifest]) -> None:
    """By name and label the scripts tell the namespace that they may delete from another's."""
    spec = importlib.util.spec_from_file_location("script", ROOT / "scripts/kubernetes.py")
    assert spec
    assert spec.loader
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    [namespace] = of_kind(everything, "Namespace")
    assert namespace["metadata"]["name"] == script.NAMESPACE
    assert namespace["metadata"]["labels"][script.PART_OF] == script.NAMESPACE


def test_the_namespace_enforces_the_restricted_standard(everything: list[Manifest]) -> None:
    """A pod that is less confined is turned away, ours or not."""
    labels = named(everything, "Namespace", "small-services")["metadata"]["labels"]
    security = {key: labels[key] for key in labels if key.startswith("pod-security")}
    assert security == {
        "pod-security.kubernetes.io/enforce": "restricted",
        "pod-security.kubernetes.io/enforce-version": "latest",
        "pod-security.kubernetes.io/warn": "restricted",
        "pod-security.kubernetes.io/audit": "restricted",
    }


@combinations
def test_pods_are_restricted(manifests: list[Manifest]) -> None:
    """The restricted Pod Security Standard field by field, and nothing that is not listed."""
    number, group = user()
    for workload in workloads(manifests):
        spec = pod(workload)
        assert workload["spec"].keys() <= (JOB if workload["kind"] == "Job" else DEPLOYMENT)
        assert workload["spec"]["template"]["metadata"].keys() == {"labels"}
        assert spec.keys() <= POD
        assert spec.get("restartPolicy") == ("Never" if workload["kind"] == "Job" else None)
        assert spec["securityContext"] == {
            "runAsNonRoot": True,
            "runAsUser": number,
            "runAsGroup": group,
            "seccompProfile": {"type": "RuntimeDefault"},
        }
        assert spec["automountServiceAccountToken"] is False
        assert spec["enableServiceLinks"] is False
    for container in containers(manifests):
        assert container.keys() == (SERVER if container["name"] == "server" else TOOL)
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        }


@combinations
def test_selectors_select(manifests: list[Manifest]) -> None:
    """Deployments, Services and budgets select by name alone, and what they select is there."""
    names = {labels[NAME] for labels in labels_of_pods(manifests)}
    for manifest in manifests:
        kind, spec = manifest["kind"], manifest.get("spec", {})
        if kind == "Service":
            assert spec["selector"] == {NAME: manifest["metadata"]["labels"][NAME]}
            assert spec["selector"][NAME] in names
        elif kind in ("Deployment", "PodDisruptionBudget"):
            assert spec["selector"] == {"matchLabels": {NAME: manifest["metadata"]["name"]}}
            assert manifest["metadata"]["name"] in names
        if kind == "Deployment":
            labels = spec["template"]["metadata"]["labels"]
            assert all(selected(selector, labels) for selector in selectors(spec))


@servers
@stacks
def test_ports_agree(manifests: list[Manifest], combination: str, name: str) -> None:
    """Container and Services say the port that the code does; names follow one rule."""
    port, container = PORTS[name], server(manifests, name)
    assert sorted(container["ports"], key=lambda each: each["containerPort"]) == [
        {"name": f"{name}-tcp", "containerPort": port},
        {"name": "admin", "containerPort": int(environment(container)["SERVE_ADMIN_PORT"])},
    ]
    tcp = {"name": f"{name}-tcp", "port": port, "targetPort": f"{name}-tcp", "appProtocol": "tcp"}
    udp = {"name": f"{name}-udp", "port": port, "targetPort": port, "protocol": "UDP"}
    families = {"ipFamilyPolicy": "PreferDualStack"} if combination == ALL else {}
    services = {name: tcp, f"{name}-udp": udp} if combination == ALL else {name: tcp}
    for service, only in services.items():
        spec = {"selector": {NAME: name}, "ports": [only], **families}
        assert spec_of(manifests, "Service", service) == spec


def test_policies_keep_the_client_from_echo(everything: list[Manifest]) -> None:
    """All is denied that no policy names; echo lets the check in but not the client."""
    services = [
        {"protocol": protocol, "port": port}
        for port in PORTS.values()
        for protocol in ("TCP", "UDP")
    ]
    names = [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")]
    expected = {
        "default-deny": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
        "daytime": {
            "podSelector": {"matchLabels": {NAME: "daytime"}},
            "policyTypes": ["Ingress"],
            "ingress": [{"ports": services[:2]}],
        },
        "echo": {
            "podSelector": {"matchLabels": {NAME: "echo"}},
            "policyTypes": ["Ingress"],
            "ingress": [
                {
                    "from": [{"podSelector": {"matchLabels": {NAME: "check"}}}],
                    "ports": services[2:],
                }
            ],
        },
        "callers": {
            "podSelector": one_of("client", "check"),
            "policyTypes": ["Egress"],
            "egress": [
                {"ports": names},
                {"to": [{"podSelector": one_of("daytime", "echo")}], "ports": services},
            ],
        },
    }
    policies = of_kind(everything, "NetworkPolicy")
    assert {each["metadata"]["name"]: each["spec"] for each in policies} == expected


def one_of(*names: str) -> dict[str, Any]:
    """A selector of the pods with one of these names."""
    return {"matchExpressions": [{"key": NAME, "operator": "In", "values": list(names)}]}


@servers
@stacks
def test_probes_ask_what_is_served(manifests: list[Manifest], name: str) -> None:
    """Probes are HTTP on the admin port, at paths that it has, and soon notice a change."""
    container = server(manifests, name)
    pages = Admin(lambda: True, lambda: True, str).answer(b"GET / HTTP/1.0\r\n\r\n").split()
    for kind, path, period in (("readinessProbe", "/readyz", 2), ("livenessProbe", "/livez", 10)):
        assert path.encode() in pages
        get = {"httpGet": {"path": path, "port": "admin"}}
        assert container[kind] == {**get, "periodSeconds": period, "timeoutSeconds": 2}


@servers
@stacks
def test_variables_are_settings(manifests: list[Manifest], name: str) -> None:
    """What a Deployment sets the service knows, and beside the drain compose sets the same."""
    ours = environment(server(manifests, name))
    same = {"SERVE_ADMIN_PORT", "SERVE_MAX_CONNECTIONS", "SERVE_UDP"}
    more = {"SERVE_IDENTITY"} if name == "daytime" else set()
    assert ours.keys() == same | more | {"SERVE_DRAIN_DELAY", "SERVE_DRAIN_TIMEOUT"}
    assert settings(manifests, name).udp
    compose = {key: str(value) for key, value in STACK["services"][name]["environment"].items()}
    assert {key: ours[key] for key in same} == {key: compose[key] for key in same}


@servers
@stacks
def test_limits_are_those_of_compose(manifests: list[Manifest], name: str) -> None:
    """Memory and processor; the memory is also asked for, so that a node really has it."""
    memory = STACK["services"][name]["mem_limit"].replace("m", "Mi")
    assert server(manifests, name)["resources"] == {
        "requests": {"cpu": "50m", "memory": memory},
        "limits": {"cpu": str(STACK["services"][name]["cpus"]), "memory": memory},
    }


@servers
@stacks
def test_a_drain_ends_within_the_grace_period(manifests: list[Manifest], name: str) -> None:
    """Drain delay and drain timeout together leave the grace period a margin of five seconds."""
    drain = settings(manifests, name)
    assert drain.drain_delay >= 5
    grace = pod(named(manifests, "Deployment", name))["terminationGracePeriodSeconds"]
    assert drain.drain_delay + drain.drain_timeout + 5 <= grace


@servers
@stacks
def test_a_rollout_keeps_all_replicas(manifests: list[Manifest], name: str) -> None:
    """Two replicas, spread where there are nodes, and a new one ready before an old one goes."""
    spec = spec_of(manifests, "Deployment", name)
    assert spec["replicas"] == 2
    assert spec["strategy"] == {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    [spread] = spec["template"]["spec"]["topologySpreadConstraints"]
    assert spread == {
        "topologyKey": "kubernetes.io/hostname",
        "maxSkew": 1,
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": {NAME: name}},
    }


@servers
def test_a_budget_lets_one_pod_go_at_a_time(everything: list[Manifest], name: str) -> None:
    """Draining nodes takes no more than one pod of a service at once."""
    budget = spec_of(everything, "PodDisruptionBudget", name)
    assert budget == {"maxUnavailable": 1, "selector": {"matchLabels": {NAME: name}}}


@stacks
def test_daytime_says_which_pod_answers(manifests: list[Manifest]) -> None:
    """D5: the identity on daytime's line is the name of the pod."""
    [identity] = [each for each in server(manifests, "daytime")["env"] if "value" not in each]
    field = {"fieldRef": {"fieldPath": "metadata.name"}}
    assert identity == {"name": "SERVE_IDENTITY", "valueFrom": field}


@pytest.mark.parametrize(
    "combination", ["base", "client", "jobs/check", "overlays/local", "overlays/local/check"]
)
def test_images_are_those_of_compose(manifests: list[Manifest], combination: str) -> None:
    """Names and tags are those that compose builds; where images are loaded none is pulled."""
    never = "Never" if combination.startswith("overlays/local") else "IfNotPresent"
    for workload in workloads(manifests):
        name = workload["metadata"]["name"]
        for container in pod(workload)["containers"]:
            ours = STACK["services"][name if name in SETTINGS else "client"]["image"]
            assert container["image"] == ours
            assert container["imagePullPolicy"] == never


def test_a_registry_is_named_in_one_place() -> None:
    """Every image of the stack and of the check is renamed, and those of the client alike."""
    stack = {each["image"] for each in containers(rendered("overlays/registry"))}
    check = {each["image"] for each in containers(rendered("overlays/registry/check"))}
    assert len(stack) == 3
    assert len(check) == 1
    assert check <= stack
    assert not [image for image in stack if image.startswith("small-services/")]


@pytest.mark.parametrize("combination", ["overlays/local", "overlays/registry"])
def test_overlays_change_nothing_but_images(manifests: list[Manifest]) -> None:
    """An overlay is both services, their budgets and a client, but for where images come from."""
    whole = render(["base", "client"], ["components/pdb"])

    def without_images(manifests: list[Manifest]) -> list[str]:
        text = json.dumps(manifests, sort_keys=True)
        same = re.sub(r'"(image|imagePullPolicy)": "[^"]*"', r'"\1": ""', text)
        return sorted(json.dumps(each, sort_keys=True) for each in json.loads(same))

    assert without_images(manifests) == without_images(whole)


@pytest.mark.parametrize("combination", ["jobs/check", ALL])
def test_the_check_asks_both_services_by_name(manifests: list[Manifest]) -> None:
    """The Job's probes aim at the names and ports of the Services, and wait for them.

    Both the waiting and five tries that time out fit into its deadline.
    """
    spec = spec_of(manifests, "Job", "check")
    assert (spec["backoffLimit"], spec["activeDeadlineSeconds"]) == (0, 120)
    assert [each["command"] for each in spec["template"]["spec"]["containers"]] == [
        ["probe", name, f"{name}:{port}", "--wait", "60", "--count", "5", "--interval", "0.2"]
        for name, port in PORTS.items()
    ]


@pytest.mark.parametrize("combination", ["client", "overlays/local", "overlays/registry", ALL])
def test_the_client_sleeps(manifests: list[Manifest]) -> None:
    """There is one client, and it waits to be asked."""
    spec = spec_of(manifests, "Deployment", "client")
    [container] = spec["template"]["spec"]["containers"]
    assert spec["replicas"] == 1
    assert container["command"] == ["python3.13", "-c", "import signal; signal.pause()"]


@combinations
def test_tools_have_room(manifests: list[Manifest]) -> None:
    """The client tools may use four times what they need, 16 MiB, and ask for it."""
    for container in containers(manifests):
        if container["name"] != "server":
            resources = container["resources"]
            assert resources["requests"] == {"cpu": "10m", "memory": "64Mi"}
            assert resources["limits"]["cpu"] == "1"
            assert int(resources["limits"]["memory"].removesuffix("Mi")) >= 64

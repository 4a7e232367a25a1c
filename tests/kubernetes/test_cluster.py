"""The stack on a real cluster: what is applied, who answers, what a rollout costs, who is kept out.

What a test prints is shown at the end of the run.
"""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from cluster import Cluster
from kustomize import Manifest, render
from server_process import wait_until

# Clusters are slow to begin with, and may be far away.
pytestmark = pytest.mark.timeout(300)

SCRIPT = Path(__file__).parent.parent.parent / "scripts/kubernetes.py"

SERVERS = {"daytime": 1200, "echo": 1201}

# Longer than a rollout of three replicas, and below drain delay and drain timeout together: for so
# long an old pod keeps a session after it has been told to stop.
SESSION_S = 30

# What a busy node may keep it waiting for an echo.
GAP_S = 10

# What has to be left of it when all new pods are ready: the last old one is told to stop then.
MARGIN_S = 10


def outcomes(objects: list[dict[str, Any]]) -> Counter[str]:
    """How the tries of a probe ended."""
    return Counter(each["outcome"] for each in objects if each["type"] == "try")


def answered(cluster: Cluster, arguments: str) -> bool:
    """Whether all tries of a probe were OK."""
    return outcomes(cluster.probe(arguments)).keys() == {"OK"}


def identities(cluster: Cluster) -> set[str]:
    """Which replicas of daytime answer forty callers."""
    *_, summary = cluster.probe("daytime daytime:1200 --count 40 --interval 0.02")
    print("answers by identity:", summary["identities"])
    return set(summary["identities"])


def addresses(cluster: Cluster, service: str) -> set[str]:
    """The pods' addresses that a Service leads to."""
    subsets = cluster.get("endpoints", service).get("subsets", [])
    return {each["ip"] for subset in subsets for each in subset.get("addresses", [])}


def generations(cluster: Cluster) -> dict[str, int]:
    """How often the wanted state of each Deployment has changed."""
    return {
        each["metadata"]["name"]: each["metadata"]["generation"]
        for each in cluster.get("deployments")["items"]
    }


def added_by(component: str) -> list[Manifest]:
    """The manifests that a component adds to the base."""
    base = render(["base"])
    return [each for each in render(["base"], [f"components/{component}"]) if each not in base]


def check_job(cluster: Cluster) -> list[Manifest]:
    """The check Job, but it waits for a few seconds only."""
    [job] = render([f"{cluster.overlay}/check"])
    for container in job["spec"]["template"]["spec"]["containers"]:
        command = container["command"]
        command[command.index("--wait") + 1] = "10"
    return [job]


def await_job(cluster: Cluster, condition: str) -> None:
    """Wait until the check Job is `complete` or `failed`."""
    cluster.kubectl("wait", f"--for=condition={condition}", "job/check", "--timeout=60s")
    print(cluster.kubectl("logs", "job/check", "--all-containers"), end="")


def test_applying_again_changes_nothing(cluster: Cluster) -> None:
    """A second `kubectl apply` loses no port and replaces no pod."""
    before = generations(cluster)
    with cluster.applied(added_by("udp")):
        cluster.apply(cluster.known(render([cluster.overlay], ["components/udp"])))
        services = {each["metadata"]["name"]: each for each in cluster.get("services")["items"]}
    assert generations(cluster) == before
    for name, port in SERVERS.items():
        for service, protocol in ((name, "TCP"), (f"{name}-udp", "UDP")):
            [only] = services[service]["spec"]["ports"]
            assert (only["protocol"], only["port"]) == (protocol, port)


def test_udp_answers_by_name(cluster: Cluster) -> None:
    """The Services of the component udp carry datagrams to both servers."""
    with cluster.applied(added_by("udp")):
        for probe in ("daytime daytime-udp:1200", "echo echo-udp:1201"):
            wait_until(lambda: answered(cluster, f"{probe} --udp --timeout 1"), probe)  # noqa: B023


def test_both_replicas_answer(cluster: Cluster) -> None:
    """Callers of one name are spread over all pods, and daytime's identity shows it."""
    replicas = cluster.pods("daytime")
    assert len(replicas) == 2
    assert identities(cluster) == replicas


def test_a_third_replica_joins(cluster: Cluster) -> None:
    """Scaled to three, three answer."""
    with cluster.scaled("daytime", 3):
        replicas = cluster.pods("daytime")
        assert len(replicas) == 3
        wait_until(lambda: identities(cluster) == replicas, "answers from all three")


def test_a_rollout_loses_nothing(cluster: Cluster) -> None:
    """While all pods are replaced no connection fails, and none is cut that goes on (E2)."""
    steady = f"--count {SESSION_S * 10} --interval 0.1 --timeout 5"
    probes = [f"{name} {name}:{port} {steady}" for name, port in SERVERS.items()]
    with (
        cluster.scaled("daytime", 3),
        cluster.scaled("echo", 3),
        ThreadPoolExecutor() as pool,
    ):
        old = {name: cluster.pods(name) for name in SERVERS}
        hold = f"probe hold echo:1201 --duration {SESSION_S} --gap {GAP_S}"
        session = cluster.start(*hold.split())
        assert session.stdout
        assert session.stdout.readline().startswith("OPEN ")  # an old pod: there are no others
        probing = [pool.submit(cluster.probe, probe) for probe in probes]
        began = time.monotonic()
        cluster.kubectl("rollout", "restart", *[f"deployment/{name}" for name in SERVERS])
        for name in SERVERS:
            cluster.await_rollout(name)
            assert not cluster.pods(name) & old[name]
        outlasted = time.monotonic() < began + SESSION_S - MARGIN_S
        for each in probing:
            *tries, summary = each.result()
            print({key: summary.get(key) for key in ("target", "sent", "failed", "identities")})
            assert outcomes(tries) == {"OK": SESSION_S * 10}
        lines, complaints = session.communicate()
        assert session.returncode == 0, lines + complaints
        assert outlasted, "the rollout took about as long as the session, so nothing is proved"
        print(f"one echo session: {lines.splitlines()[-1]}")


def test_a_pod_that_leaves_still_accepts(cluster: Cluster) -> None:
    """Told to stop, a pod is taken out of the Service, and for the drain delay serves even so."""
    going = min(cluster.pods("daytime"))
    address = cluster.get("pod", going)["status"]["podIP"]
    assert address in addresses(cluster, "daytime")
    cluster.kubectl("delete", "pod", going, "--wait=false")
    wait_until(lambda: address not in addresses(cluster, "daytime"), "the Service without it")
    assert answered(cluster, f"daytime {address}:1200")
    cluster.await_rollout("daytime")


def test_the_check_succeeds(cluster: Cluster) -> None:
    """The Job is complete once both services have answered by name."""
    with cluster.applied(check_job(cluster)):
        await_job(cluster, "complete")


def test_the_check_fails_without_echo(cluster: Cluster) -> None:
    """The Job fails when one of the services does not answer."""
    with cluster.scaled("echo", 0), cluster.applied(check_job(cluster)):
        await_job(cluster, "failed")


def test_a_network_policy_closes_echo(cluster: Cluster) -> None:
    """Callers reach daytime but not echo, though echo listens: the check, which may, reaches it."""
    closed = "echo echo:1201 --timeout 1"
    assert answered(cluster, closed)
    with cluster.applied(added_by("network-policy")):
        try:
            wait_until(lambda: not answered(cluster, closed), "echo to be closed", 10)
        except AssertionError:
            pytest.skip("this cluster stores network policies but does not enforce them")
        assert answered(cluster, "daytime daytime:1200")  # still, now that policies are enforced
        assert outcomes(cluster.probe(closed)) == {"TIMEOUT": 1}
        with cluster.applied(check_job(cluster)):
            await_job(cluster, "complete")
    wait_until(lambda: answered(cluster, closed), "echo to be open again")


def complaint(verb: str, context: str, **variables: str) -> str:
    """The one line that a verb of the script ends with."""
    ran = subprocess.run(
        [sys.executable, SCRIPT, verb],
        env=os.environ | {"CONTEXT": context} | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1
    [line] = ran.stderr.splitlines()
    return line


def kubeconfig(cluster: Cluster, folder: Path, context: str, **user: str) -> str:
    """A file that calls the same cluster by another name, or comes as another user."""
    view = ["config", "view", "--raw", "--minify", "--output", "json"]
    config = json.loads(cluster.kubectl(*view))
    config["contexts"][0]["name"] = context
    config["users"][0]["user"].update(user)
    path = folder / "kubeconfig"
    path.write_text(json.dumps(config))
    return str(path)


def test_a_stack_in_use_is_left_alone(cluster: Cluster) -> None:
    """The tests do not begin on a namespace that is there, since they delete it in the end."""
    line = complaint("test", cluster.context)
    assert line.endswith(f"first: make CONTEXT={cluster.context} k8s-down")


def test_who_may_do_nothing_is_told_so(cluster: Cluster, tmp_path: Path) -> None:
    """Without the right to create a namespace nothing is tried."""
    config = kubeconfig(cluster, tmp_path, "kind-demo", **{"as": "nobody-in-particular"})
    line = complaint("up", "kind-demo", KUBECONFIG=config)
    assert "no permission to create a namespace" in line
    assert line.endswith("kubectl --context kind-demo auth can-i --list")


def test_images_that_are_pulled_need_names(cluster: Cluster, tmp_path: Path) -> None:
    """On a cluster that is no demo cluster nothing is applied before its images are named."""
    config = kubeconfig(cluster, tmp_path, "elsewhere")
    line = complaint("up", "elsewhere", KUBECONFIG=config)
    assert line.endswith("$EDITOR k8s/overlays/registry/images/kustomization.yaml")


def test_without_an_engine_there_are_no_images(cluster: Cluster, tmp_path: Path) -> None:
    """Where images are loaded they are built first, which takes a Docker Engine."""
    line = complaint("up", cluster.context, DOCKER_HOST=f"unix://{tmp_path}/docker.sock")
    assert line.endswith("docker info")


def test_a_foreign_namespace_is_left_alone(cluster: Cluster) -> None:
    """Nobody else's namespace is filled or deleted, though it has our name."""
    ours = "app.kubernetes.io/part-of=small-services"
    label = ["label", "namespace", "small-services", "--overwrite"]
    cluster.kubectl(*label, "app.kubernetes.io/part-of=something-else")
    try:
        for verb in ("up", "down", "test"):
            line = complaint(verb, cluster.context)
            assert line.endswith(f"--context {cluster.context} delete namespace small-services")
    finally:
        cluster.kubectl(*label, ours)

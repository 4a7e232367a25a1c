"""Bring the stack up on a Kubernetes cluster, test it there, take it down.

    python3 scripts/kubernetes.py up|down|test

The cluster is that of kubectl's current context if its name is that of a demo cluster. Any other
has to be meant: CONTEXT=NAME in the environment. Exit status 0, 1, or 2 for a wrong call.
"""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from fnmatch import fnmatch
from pathlib import Path
from subprocess import DEVNULL

ROOT = Path(__file__).parent.parent
OVERLAYS = ROOT / "k8s/overlays"
REGISTRY_NAMES = OVERLAYS / "registry/images/kustomization.yaml"
NAMESPACE = "small-services"

# The demo clusters that we know, by context, and how each of them takes images in. In place of *
# stands {}: the cluster's name.
DEMO_CLUSTERS = {
    "kind-*": "kind load docker-image --name {}",
    "k3d-*": "k3d image import --cluster {}",
    "minikube": "minikube image load",
    "demo-cluster": "cluster load",
}

READY_TIMEOUT_S = 120


class Failed(Exception):
    """It cannot go on: one line, with the command that mends it."""


def main(argv: Sequence[str]) -> int:
    """Do what is asked for; the exit status."""
    verbs = {"up": up, "down": down, "test": test}
    if len(argv) != 1 or argv[0] not in verbs:
        print("usage: kubernetes.py up|down|test", file=sys.stderr)
        return 2
    # To end as after Ctrl-C, and so to say what is left behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        check_cluster(chosen := context())
        verbs[argv[0]](chosen)
    except Failed as error:
        print(f"kubernetes: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return 0


def up(context: str) -> None:
    """Load the images where that is needed, apply an overlay, wait until all is ready."""
    check_namespace(context)
    overlay = OVERLAYS / ("local" if load_command(context) else "registry")
    manifests = known_manifests(context, overlay)
    provide_images(context)
    try:
        print(run(*kubectl(context, "apply", "-f", "-"), stdin=manifests), end="")
        for name in ("daytime", "echo", "client"):
            await_rollout(context, name)
    except (Failed, KeyboardInterrupt):
        say_what_is_left(context)
        raise
    print(f"\n{NAMESPACE} runs in context {context}. Next:")
    for arguments in ("daytime daytime:1200 --count 10 --interval 0.2", "echo echo:1201"):
        print(f"  kubectl -n {NAMESPACE} exec deploy/client -- probe {arguments}")
    print("  make k8s-down")


def down(context: str) -> None:
    """Delete the namespace with all that is in it, if it is ours."""
    if not check_namespace(context):
        print(f"there is no namespace {NAMESPACE} in context {context}")
        return
    run(*kubectl(context, "delete", "namespace", NAMESPACE, f"--timeout={READY_TIMEOUT_S}s"))
    print(f"deleted the namespace {NAMESPACE} from context {context}")


def test(context: str) -> None:
    """Bring the stack up, run the tests of tests/kubernetes against it, take it down."""
    if check_namespace(context):
        raise Failed(
            f"the namespace {NAMESPACE} is in context {context} already, and the tests would "
            "take it down; first: make k8s-down"
        )
    up(context)
    command = [".venv/bin/pytest", "--verbose", "-rsP", "tests/kubernetes"]
    try:
        status = subprocess.run(
            command, cwd=ROOT, env=os.environ | {"CONTEXT": context}, check=False
        ).returncode
    except KeyboardInterrupt:
        say_what_is_left(context)
        raise
    if status:
        say_what_is_left(context)
        raise Failed("the tests failed; again: make k8s-down test-kubernetes")
    down(context)


def context() -> str:
    """The context to work in: CONTEXT, or the current one if that is a demo cluster's."""
    named = os.environ.get("CONTEXT")
    if not shutil.which("kubectl"):
        raise Failed("there is no kubectl; to get it: https://kubernetes.io/docs/tasks/tools/")
    try:
        name = named or run("kubectl", "config", "current-context").strip()
    except Failed:
        raise Failed(
            "kubectl has no current context; start a demo cluster, say: kind create cluster"
        ) from None
    if not named and not load_command(name):
        raise Failed(
            f"the context {name} is not that of a demo cluster ({', '.join(DEMO_CLUSTERS)}); "
            f"if it is meant: export CONTEXT={name}"
        )
    return name


def load_command(context: str) -> list[str]:
    """How a demo cluster takes images in, without their names; empty for another cluster."""
    for pattern, command in DEMO_CLUSTERS.items():
        if fnmatch(context, pattern):
            return command.format(context.partition("-")[2]).split()
    return []


def check_cluster(context: str) -> None:
    """Raise Failed unless a cluster answers, and lets us do what we are here for."""
    command = kubectl(context, "auth", "can-i", "create", "namespaces", "--request-timeout=10s")
    asked = subprocess.run(command, stdin=DEVNULL, capture_output=True, text=True, check=False)
    if asked.stdout.strip() == "yes":
        return
    if asked.stdout.strip() == "no":
        raise Failed(
            f"context {context} has no permission to create a namespace; to see what it may do: "
            f"kubectl --context {context} auth can-i --list"
        )
    raise Failed(
        f"no cluster answers in context {context}: {last_line(asked.stderr)}; "
        f"once it is started: kubectl --context {context} cluster-info"
    )


def known_manifests(context: str, overlay: Path) -> str:
    """What an overlay renders to, without the kinds that an old cluster does not know."""
    versions = run(*kubectl(context, "api-versions")).split()
    rendered = run("kubectl", "kustomize", str(overlay))
    known = []
    for document in re.split("^---$", rendered, flags=re.MULTILINE):
        version, kind, name = (
            re.findall(rf"^{key}: (\S+)$", document, re.MULTILINE)[0]
            for key in ("apiVersion", "kind", "  name")
        )
        if version in versions:
            known.append(document)
        else:
            print(f"left out: {kind} {name}, since the cluster does not know {version}")
    return "---".join(known)


def provide_images(context: str) -> None:
    """Build the images and load them; for a cluster that pulls, see that they have been named."""
    command = load_command(context)
    if not command:
        if "registry.example.com" in REGISTRY_NAMES.read_text():
            raise Failed(
                f"context {context} pulls its images, and they have no names yet; push them, "
                f"then: $EDITOR {REGISTRY_NAMES.relative_to(ROOT)}"
            )
        return
    if fails("docker", "info"):
        raise Failed("no Docker Engine answers, to build the images; to see why: docker info")
    if subprocess.run(["make", "--no-print-directory", "images"], cwd=ROOT, check=False).returncode:
        raise Failed("there are no images to load; once the above is mended: make images")
    rendered = run("kubectl", "kustomize", str(OVERLAYS / "local"))
    images = sorted(set(re.findall(r"^ *image: (\S+)$", rendered, re.MULTILINE)))
    if not shutil.which(command[0]):
        raise Failed(f"images get into {context} by the command {command[0]}; put it on PATH")
    run(*command, *images)


def await_rollout(context: str, name: str) -> None:
    """Wait until all replicas of a Deployment are ready."""
    status = ("rollout", "status", f"deployment/{name}", f"--timeout={READY_TIMEOUT_S}s")
    try:
        run(*kubectl(context, "-n", NAMESPACE, *status))
    except Failed:
        raise Failed(
            f"{name} is not ready after {READY_TIMEOUT_S} s; to see why: "
            f"kubectl --context {context} -n {NAMESPACE} describe pods"
        ) from None


def check_namespace(context: str) -> bool:
    """Whether the cluster has our namespace. Raises Failed where that is somebody else's."""
    listed = json.loads(run(*kubectl(context, "get", "namespaces", "-o", "json")))
    for namespace in listed["items"]:
        metadata = namespace["metadata"]
        if metadata["name"] == NAMESPACE:
            if metadata.get("labels", {}).get("app.kubernetes.io/part-of") == NAMESPACE:
                return True
            raise Failed(
                f"the namespace {NAMESPACE} in context {context} is not of this project; "
                f"if it is to go: kubectl --context {context} delete namespace {NAMESPACE}"
            )
    return False


def say_what_is_left(context: str) -> None:
    """Name what a failure leaves in the cluster."""
    with suppress(Failed):
        if check_namespace(context):
            print(
                f"left behind: the namespace {NAMESPACE} in context {context}, for a look; "
                "to delete it: make k8s-down",
                file=sys.stderr,
            )


def kubectl(context: str, *arguments: str) -> list[str]:
    """A kubectl command line for a context."""
    return ["kubectl", "--context", context, *arguments]


def run(*command: str, stdin: str = "") -> str:
    """What a command prints. Raises FileNotFoundError, or Failed with the reason it gives."""
    ran = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise Failed(f"{last_line(ran.stderr)}; again by hand: {shlex.join(command)}")
    return ran.stdout


def fails(*command: str) -> bool:
    """Whether a command fails, or is not there."""
    return not shutil.which(command[0]) or bool(
        subprocess.run(command, capture_output=True, check=False).returncode
    )


def last_line(text: str) -> str:
    """The last line of a complaint, which names the reason."""
    return (text.strip().splitlines() or ["it gave no reason"])[-1]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

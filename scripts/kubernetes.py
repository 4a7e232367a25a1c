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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path

ROOT = Path(__file__).parent.parent
OVERLAYS = ROOT / "k8s/overlays"
REGISTRY_NAMES = OVERLAYS / "registry/images/kustomization.yaml"
PYTEST = ROOT / ".venv/bin/pytest"

NAMESPACE = "small-services"
PART_OF = "app.kubernetes.io/part-of"  # the label by which a namespace is known to be ours

# The demo clusters that we know, by context, and how each of them takes images in. {} stands for
# the cluster's name, which is the context's without what is before its first dash.
DEMO_CLUSTERS = {
    "kind-?*": "kind load docker-image --name {}",
    "k3d-?*": "k3d image import --cluster {}",
    "minikube": "minikube --profile minikube image load",
    "demo-cluster": "cluster load",
}

ANSWER_TIMEOUT_S = 30.0
LOAD_TIMEOUT_S = 600.0  # images are built and copied
READY_TIMEOUT_S = 120


class Failed(Exception):
    """It cannot go on: one line, with the command that mends it."""


def main(argv: Sequence[str]) -> int:
    """Do what is asked for; the exit status."""
    verbs = {"up": (up, "create"), "down": (down, "delete"), "test": (test, "create")}
    if len(argv) != 1 or argv[0] not in verbs:
        print("usage: kubernetes.py up|down|test", file=sys.stderr)
        return 2
    # To end as after Ctrl-C, and so to say what is left behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    work, right = verbs[argv[0]]
    try:
        check_cluster(context := chosen_context(), right)
        work(context)
    except (Failed, OSError) as error:
        print("kubernetes:", " ".join(str(error).split()), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return 0


def up(context: str) -> None:
    """Load the images where that is needed, apply an overlay, wait until all is ready."""
    is_there(context)
    manifests = known_manifests(context)
    provide_images(context)
    with telling_what_is_left(context):
        by_hand = shlex.join(kubectl(context, "apply", "-k", f"k8s/overlays/{overlay(context)}"))
        apply = kubectl(context, "apply", "-f", "-")
        print(run(*apply, stdin=manifests, mend=f"again by hand: {by_hand}"), end="")
        for name in ("daytime", "echo", "client"):
            await_rollout(context, name)
    print(f"\n{NAMESPACE} runs in context {context}. Next:")
    for arguments in ("daytime daytime:1200 --count 10 --interval 0.2", "echo echo:1201"):
        command = kubectl(context, "-n", NAMESPACE, "exec", "deploy/client", "--", "probe")
        print(f"  {shlex.join(command)} {arguments}")
    print(f"  {make(context, 'k8s-down')}")


def down(context: str) -> None:
    """Delete the namespace with all that is in it, if it is ours."""
    if not is_there(context):
        print(f"there is no namespace {NAMESPACE} in context {context}")
        return
    print("deleting; open connections may take up to a minute to end", flush=True)
    delete = kubectl(context, "delete", "namespace", NAMESPACE, f"--timeout={READY_TIMEOUT_S}s")
    with telling_what_is_left(context):
        run(*delete, timeout=READY_TIMEOUT_S + ANSWER_TIMEOUT_S)
    print(f"deleted the namespace {NAMESPACE} from context {context}")


def test(context: str) -> None:
    """Bring the stack up, run the tests of tests/kubernetes against it, take it down."""
    if not PYTEST.exists():
        raise Failed("the tests need pytest; to get it: make .venv/ready")
    if is_there(context):
        raise Failed(
            f"the namespace {NAMESPACE} is in context {context} already, and the tests would "
            f"take it down; first: {make(context, 'k8s-down')}"
        )
    up(context)
    told = {"CONTEXT": context, "OVERLAY": f"overlays/{overlay(context)}"}
    command = [str(PYTEST), "--verbose", "-rsP", "tests/kubernetes"]
    with telling_what_is_left(context):
        if subprocess.run(command, cwd=ROOT, env=os.environ | told, check=False).returncode:
            raise Failed(f"the tests failed; again: {make(context, 'k8s-down test-kubernetes')}")
    down(context)


def chosen_context() -> str:
    """The context to work in: CONTEXT, or the current one if that is a demo cluster's."""
    named = os.environ.get("CONTEXT")
    if not shutil.which("kubectl"):
        raise Failed("there is no kubectl; to get it: https://kubernetes.io/docs/tasks/tools/")
    contexts = run("kubectl", "config", "get-contexts", "--output=name").splitlines()
    start_one = "start a demo cluster, say: kind create cluster"
    name = named or run("kubectl", "config", "current-context", mend=start_one).strip()
    if name not in contexts:
        raise Failed(f"kubectl knows no context {name}; to see them: kubectl config get-contexts")
    if not named and not load_command(name):
        raise Failed(
            f"the context {name} is not that of a demo cluster ({', '.join(DEMO_CLUSTERS)}); "
            f"if it is meant: export CONTEXT={shlex.quote(name)}"
        )
    return name


def load_command(context: str) -> list[str]:
    """How a demo cluster takes images in, without their names; empty for another cluster."""
    for pattern, command in DEMO_CLUSTERS.items():
        if fnmatchcase(context, pattern):
            return [word.format(context.partition("-")[2]) for word in command.split()]
    return []


def overlay(context: str) -> str:
    """Which overlay fits a cluster: images are loaded into a demo cluster, and pulled elsewhere."""
    return "local" if load_command(context) else "registry"


def check_cluster(context: str, right: str) -> None:
    """Raise Failed unless a cluster answers, and gives us a right over namespaces."""
    ask = kubectl(context, "auth", "can-i", right, "namespaces", "--request-timeout=10s")
    asked = finished(*ask)
    if asked.stdout.startswith("yes"):
        return
    if asked.stdout.startswith("no"):
        see = shlex.join(kubectl(context, "auth", "can-i", "--list"))
        raise Failed(
            f"no permission to {right} a namespace in context {context}; to see what is: {see}"
        )
    see = shlex.join(kubectl(context, "cluster-info"))
    reason = last_line(asked.stderr)
    raise Failed(f"no cluster answers in context {context}: {reason}; once it is started: {see}")


def is_there(context: str) -> bool:
    """Whether the cluster has our namespace. Raises Failed where that is somebody else's."""
    get = ("get", "namespace", NAMESPACE, "--ignore-not-found", "--output=json")
    found = run(*kubectl(context, *get, "--request-timeout=10s"))
    if not found:
        return False
    if (json.loads(found)["metadata"].get("labels") or {}).get(PART_OF) == NAMESPACE:
        return True
    delete = shlex.join(kubectl(context, "delete", "namespace", NAMESPACE))
    raise Failed(
        f"the namespace {NAMESPACE} in context {context} is not of this project; "
        f"if it is to go: {delete}"
    )


def known_manifests(context: str) -> str:
    """What the overlay renders to, without the kinds that an old cluster does not know."""
    versions = run(*kubectl(context, "api-versions", "--request-timeout=10s")).split()
    rendered = run("kubectl", "kustomize", str(OVERLAYS / overlay(context)))
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
    if not shutil.which(command[0]):
        raise Failed(f"images get into {context} by the command {command[0]}; put it on PATH")
    if not shutil.which("docker") or finished("docker", "info").returncode:
        raise Failed("no Docker Engine answers, to build the images; to see why: docker info")
    print("building the images and loading them", flush=True)
    run("make", "--directory", str(ROOT), "images", timeout=LOAD_TIMEOUT_S)
    rendered = run("kubectl", "kustomize", str(OVERLAYS / "local"))
    images = sorted(set(re.findall(r"^ *image: (\S+)$", rendered, re.MULTILINE)))
    run(*command, *images, timeout=LOAD_TIMEOUT_S)


def await_rollout(context: str, name: str) -> None:
    """Wait until all replicas of a Deployment are ready."""
    print(f"waiting for {name}", flush=True)
    status = ("rollout", "status", f"deployment/{name}", f"--timeout={READY_TIMEOUT_S}s")
    see = shlex.join(kubectl(context, "-n", NAMESPACE, "describe", "pods"))
    run(
        *kubectl(context, "-n", NAMESPACE, *status),
        timeout=READY_TIMEOUT_S + ANSWER_TIMEOUT_S,
        mend=f"to see why: {see}",
    )


@contextmanager
def telling_what_is_left(context: str) -> Iterator[None]:
    """Name what a failure or an interrupt leaves in the cluster."""
    try:
        yield
    except BaseException:
        try:
            left = "left behind, for a look" if is_there(context) else ""
        except Failed:
            left = "perhaps left behind"
        if left:
            remove = make(context, "k8s-down")
            print(f"{left}: the namespace {NAMESPACE}; to delete it: {remove}", file=sys.stderr)
        raise


def make(context: str, targets: str) -> str:
    """How to call make for this context again."""
    named = f"CONTEXT={shlex.quote(context)} " if "CONTEXT" in os.environ else ""
    return f"make {named}{targets}"


def kubectl(context: str, *arguments: str) -> list[str]:
    """A kubectl command line for a context."""
    return ["kubectl", "--context", context, *arguments]


def run(*command: str, stdin: str = "", timeout: float = ANSWER_TIMEOUT_S, mend: str = "") -> str:
    """What a command prints. Raises Failed with the reason it gives, and with what mends it."""
    ran = finished(*command, stdin=stdin, timeout=timeout)
    if ran.returncode:
        mend = mend or f"again by hand: {shlex.join(command)}"
        raise Failed(f"{last_line(ran.stderr or ran.stdout)}; {mend}")
    return ran.stdout


def finished(
    *command: str, stdin: str = "", timeout: float = ANSWER_TIMEOUT_S
) -> "subprocess.CompletedProcess[str]":
    """A command after its end. Raises Failed if that does not come in time."""
    try:
        return subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Failed(f"no end after {timeout:g} s; again by hand: {shlex.join(command)}") from None


def last_line(text: str) -> str:
    """The last line of a complaint, which names the reason."""
    return (text.strip().splitlines() or ["it gave no reason"])[-1]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

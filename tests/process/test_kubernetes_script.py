"""What `make k8s-up` says where there is no cluster for it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kustomize import need_kubectl

SCRIPT = Path(__file__).parent.parent.parent / "scripts/kubernetes.py"


@pytest.fixture(autouse=True)
def _kubectl() -> None:
    """It is the real one that is asked, which only CI has to have."""
    need_kubectl()


def complaint(verb: str, **variables: str) -> str:
    """The one line that the script ends with."""
    environment = {key: value for key, value in os.environ.items() if key != "CONTEXT"}
    ran = subprocess.run(
        [sys.executable, SCRIPT, verb],
        env=environment | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stdout) == (1, "")
    [line] = ran.stderr.splitlines()
    return line


def kubeconfig(folder: Path, context: str) -> str:
    """A file whose current context is of a cluster that nobody answers for."""
    path = folder / "kubeconfig"
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": context,
        "clusters": [{"name": "gone", "cluster": {"server": "https://127.0.0.1:1"}}],
        "contexts": [{"name": context, "context": {"cluster": "gone", "user": "somebody"}}],
        "users": [{"name": "somebody", "user": {"token": "none"}}],
    }
    path.write_text(json.dumps(config))
    return str(path)


VERBS = pytest.mark.parametrize("verb", ["up", "down", "test"])


@VERBS
def test_without_a_context(verb: str, tmp_path: Path) -> None:
    """Who has no cluster is told how to get one."""
    line = complaint(verb, KUBECONFIG=str(tmp_path / "none"))
    assert line.endswith("start a demo cluster, say: kind create cluster")


@VERBS
def test_another_cluster_has_to_be_meant(verb: str, tmp_path: Path) -> None:
    """The current context alone is no reason to touch what may be production."""
    line = complaint(verb, KUBECONFIG=kubeconfig(tmp_path, "production"))
    assert line.startswith("kubernetes: the context production is not that of a demo cluster")
    assert line.endswith("if it is meant: export CONTEXT=production")


@VERBS
@pytest.mark.parametrize("context", ["kind-demo", "k3d-demo", "minikube", "demo-cluster"])
def test_no_cluster_answers(verb: str, context: str, tmp_path: Path) -> None:
    """A context whose cluster is gone is named, with the command that says more."""
    line = complaint(verb, KUBECONFIG=kubeconfig(tmp_path, context))
    assert line.startswith(f"kubernetes: no cluster answers in context {context}: ")
    assert line.endswith(f"kubectl --context {context} cluster-info")


def test_without_kubectl(tmp_path: Path) -> None:
    """What is missing is named, with the place to get it."""
    assert complaint("up", PATH=str(tmp_path)).startswith("kubernetes: there is no kubectl")


def test_a_wrong_call() -> None:
    """A verb that is none is a usage error, exit status 2."""
    ran = subprocess.run([sys.executable, SCRIPT, "sideways"], capture_output=True, check=False)
    assert (ran.returncode, ran.stdout) == (2, b"")


def test_an_unknown_context(tmp_path: Path) -> None:
    """A name that kubectl does not know is no cluster that has to be started."""
    line = complaint("up", KUBECONFIG=kubeconfig(tmp_path, "kind-demo"), CONTEXT="kind-dmeo")
    assert line == (
        "kubernetes: kubectl knows no context kind-dmeo; to see them: kubectl config get-contexts"
    )

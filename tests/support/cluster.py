"""The stack on a cluster, through kubectl and the tools of the client pod."""

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import yaml

from kustomize import Manifest

NAMESPACE = "small-services"


class Cluster:
    """kubectl in one context and our namespace, where an overlay of ours has been applied."""

    def __init__(self, context: str, overlay: str) -> None:
        self.context = context
        self.overlay = overlay

    def run(self, *arguments: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
        """Run kubectl to its end; status, output and complaints."""
        return subprocess.run(
            self._command(*arguments), input=stdin, capture_output=True, text=True, check=False
        )

    def kubectl(self, *arguments: str, stdin: str = "") -> str:
        """What kubectl prints; fails with what it complains of."""
        ran = self.run(*arguments, stdin=stdin)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    def known(self, manifests: Sequence[Manifest]) -> list[Manifest]:
        """Those of a kind that the cluster knows: an old one lacks some."""
        versions = self.kubectl("api-versions").split()
        return [each for each in manifests if each["apiVersion"] in versions]

    def get(self, *arguments: str) -> Any:
        """An object or a list of them, as the cluster has it."""
        return json.loads(self.kubectl("get", *arguments, "--output", "json"))

    def pods(self, name: str) -> set[str]:
        """The names of a Deployment's pods, but for those that are going."""
        listed = self.get("pods", "--selector", f"app.kubernetes.io/name={name}")["items"]
        metadata = [pod["metadata"] for pod in listed]
        return {each["name"] for each in metadata if "deletionTimestamp" not in each}

    def apply(self, manifests: Sequence[Manifest]) -> None:
        """Apply manifests, changed ones by a merge."""
        self.kubectl("apply", "--filename", "-", stdin=yaml.safe_dump_all(manifests))

    def await_rollout(self, name: str) -> None:
        """Wait until all pods of a Deployment are new and ready."""
        self.kubectl("rollout", "status", f"deployment/{name}", "--timeout=120s")

    @contextmanager
    def applied(self, manifests: Sequence[Manifest]) -> Iterator[None]:
        """Have some objects for as long as the context lasts."""
        self.apply(manifests)
        try:
            yield
        finally:
            self.kubectl("delete", "--filename", "-", stdin=yaml.safe_dump_all(manifests))

    @contextmanager
    def scaled(self, name: str, replicas: int) -> Iterator[None]:
        """Have another number of ready pods for as long as the context lasts."""
        before = self.get("deployment", name)["spec"]["replicas"]
        self._scale(name, replicas)
        try:
            yield
        finally:
            self._scale(name, before)

    def _command(self, *arguments: str) -> list[str]:
        return ["kubectl", "--context", self.context, "--namespace", NAMESPACE, *arguments]

    def _scale(self, name: str, replicas: int) -> None:
        self.kubectl("scale", f"deployment/{name}", f"--replicas={replicas}")
        self.await_rollout(name)

    def start(self, *command: str) -> "subprocess.Popen[str]":
        """A command that runs in the client pod; its exit status becomes kubectl's."""
        return subprocess.Popen(
            self._command("exec", "deployment/client", "--", *command),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def probe(self, arguments: str) -> list[dict[str, Any]]:
        """The objects that `probe --json` prints in the client pod."""
        ran = self.run("exec", "deployment/client", "--", "probe", *arguments.split(), "--json")
        objects = [json.loads(line) for line in ran.stdout.splitlines()]
        assert objects, ran.stderr
        return objects

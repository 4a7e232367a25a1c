"""Manifests as `kubectl apply -k` would see them."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

K8S = Path(__file__).parents[2] / "k8s"

Manifest = dict[str, Any]


def need_kubectl() -> None:
    """Without kubectl there is nothing to test, which only CI may not accept."""
    if not shutil.which("kubectl"):
        if os.environ.get("REQUIRE_KUBECTL") == "1":
            pytest.fail("there is no kubectl")
        pytest.skip("there is no kubectl")


def render(resources: Sequence[str], components: Sequence[str] = ()) -> list[Manifest]:
    """All manifests that folders below k8s/ make together, in one overlay of their own."""
    with tempfile.TemporaryDirectory() as folder:

        def paths(names: Sequence[str]) -> list[str]:
            return [os.path.relpath(K8S / name, Path(folder).resolve()) for name in names]

        overlay = {"resources": paths(resources), "components": paths(components)}
        (Path(folder) / "kustomization.yaml").write_text(yaml.safe_dump(overlay))
        rendered = subprocess.run(
            ["kubectl", "kustomize", folder], capture_output=True, text=True, check=False
        )
    # Deprecated fields are a warning on stderr, of which there must be none.
    assert (rendered.returncode, rendered.stderr) == (0, "")
    return list(yaml.safe_load_all(rendered.stdout))

"""The cluster that `make test-kubernetes` has brought the stack up on."""

import json
import os
from pathlib import Path

import pytest

from cluster import Cluster


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    """The cluster; a run by hand names its context too, since nothing here asks whether it may."""
    context = os.environ.get("CONTEXT")
    if not context:
        pytest.exit("these tests are run by: make test-kubernetes", returncode=2)
    return Cluster(context)


@pytest.fixture
def impersonator(cluster: Cluster, tmp_path: Path) -> Path:
    """A kubeconfig of somebody who may do nothing in the same cluster."""
    view = ["config", "view", "--raw", "--minify", "--output", "json"]
    config = json.loads(cluster.kubectl(*view))
    config["users"][0]["user"]["as"] = "nobody-in-particular"
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps(config))
    return path

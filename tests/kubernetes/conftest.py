"""The cluster that `make test-kubernetes` has brought the stack up on."""

import os

import pytest

from cluster import Cluster


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    """The cluster; a run by hand names its context too, since nothing here asks whether it may."""
    context = os.environ.get("CONTEXT")
    if not context:
        pytest.exit("these tests are run by: make test-kubernetes", returncode=2)
    return Cluster(context)

"""The cluster that `make test-kubernetes` has brought the stack up on."""

import os

import pytest

from cluster import Cluster


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    """The cluster. Nothing here asks whether it may be touched: the script has."""
    try:
        return Cluster(os.environ["CONTEXT"], os.environ["OVERLAY"])
    except KeyError:
        pytest.fail("these tests are run by: make test-kubernetes")

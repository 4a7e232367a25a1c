"""Tools that tests start: each is waited for."""

from collections.abc import Iterator

import pytest

from children import end
from process.clients.tool import STARTED


@pytest.fixture(autouse=True)
def _tools_end() -> Iterator[None]:
    """End the tools that a test started and, because it failed, did not wait for."""
    yield
    while STARTED:
        with STARTED.pop() as process:
            end(process)

"""Processes that tests start: none is left behind."""

from collections.abc import Iterator

import pytest

from children import adopt_orphans, nothing_left

adopt_orphans()


@pytest.fixture(autouse=True)
def _nothing_left() -> Iterator[None]:
    """Kill what a test leaves running, and fail: the last of its fixtures to be torn down."""
    with nothing_left():
        yield

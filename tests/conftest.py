"""What holds for all tests."""

import signal
from collections.abc import Iterator

import pytest
from hypothesis import settings

# A slow machine is no failure: every test has a timeout, and no example needs one of its own.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")


@pytest.fixture
def interruptible() -> Iterator[None]:
    """A child inherits an ignored SIGINT, which is what a shell gives its background jobs."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)

"""What holds for all tests."""

import signal
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings

import own_network

# A slow machine is no failure: every test has a timeout, and no example needs one of its own.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")


# Children inherit ignored signals: a shell ignores SIGINT and SIGQUIT of its background jobs, nohup
# SIGHUP. The servers and tools leave such a signal ignored, as they should.
DEFAULTS: dict[signal.Signals, Any] = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGHUP: signal.SIG_DFL,
    signal.SIGQUIT: signal.SIG_DFL,
}
for number, handler in DEFAULTS.items():
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, handler)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Let no signal be ignored while a child is started."""
    before = {each: signal.signal(each, handler) for each, handler in DEFAULTS.items()}
    yield
    for each, handler in before.items():
        signal.signal(each, handler)


@pytest.fixture(name="own_network")
def _own_network() -> Iterator[bool]:
    """Put the servers and sockets of a test into a network of its own, if that is permitted."""
    with own_network.own_network() as is_own:
        yield is_own

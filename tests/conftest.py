"""What holds for all tests."""

import signal
from collections.abc import Iterator

import pytest
from hypothesis import settings

import own_network

# A slow machine is no failure: every test has a timeout, and no example needs one of its own.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")


# Children inherit what is ignored: SIGINT in a shell's background jobs, SIGHUP by nohup. A server
# leaves such a signal ignored, as it should.
for number, handler in (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGHUP, signal.SIG_DFL),
):
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, handler)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """A child inherits what is ignored: SIGINT in a shell's background jobs, SIGHUP by nohup."""
    before = [
        (number, signal.signal(number, handler))
        for number, handler in (
            (signal.SIGINT, signal.default_int_handler),
            (signal.SIGHUP, signal.SIG_DFL),
        )
    ]
    yield
    for number, handler in before:
        signal.signal(number, handler)


@pytest.fixture(name="own_network")
def _own_network() -> Iterator[bool]:
    """Put the servers and sockets of a test into a network of its own, if that is permitted."""
    with own_network.own_network() as is_own:
        yield is_own

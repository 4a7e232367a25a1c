"""An echo server whose loop stalls when a caller asks for it: `python stalling.py` with flags."""

import sys
import time

from echo.service import Echo, Exchange
from echo.settings import EchoSettings
from runtime.connection import Accepted, Ending
from runtime.conversation import Conversation, Watch
from runtime.lifecycle import Stop
from runtime.server import run


class StallingExchange(Exchange):
    """An exchange that never comes back from its first turn."""

    def turn(self, now: float) -> Ending | None:
        """Stall."""
        time.sleep(60)
        return None


class StallingEcho(Echo):
    """An echo service with such exchanges."""

    def conversation(self, accepted: Accepted, watch: Watch) -> Conversation:
        """An exchange that stalls."""
        return StallingExchange(accepted, watch, self.idle_timeout, self.stall_timeout)


sys.exit(run("echo", EchoSettings, StallingEcho, Stop.on_signals()))

"""An echo server whose loop stalls when a caller asks for it: `python stalling.py` with flags."""

import sys
import time

from echo.exchange import Exchange, Exchanges
from echo.service import Echo
from echo.settings import EchoSettings
from runtime.connection import Accepted, Ending
from runtime.conversation import Watch
from runtime.logs import Log
from runtime.server import run
from runtime.signals import StopSignals


class StallingExchange(Exchange):
    """An exchange that never comes back from its first turn."""

    def turn(self, idle_at: float) -> Ending | None:
        """Stall."""
        time.sleep(60)
        return None


class StallingExchanges(Exchanges):
    """What makes such exchanges."""

    def __call__(self, accepted: Accepted) -> Exchange:
        """An exchange that stalls."""
        return StallingExchange(accepted, self)


class StallingEcho(Echo):
    """An echo service with such exchanges."""

    def conversations(self, watch: Watch, log: Log) -> Exchanges:
        """Exchanges that stall."""
        return StallingExchanges(self.stall_timeout, watch, log)


sys.exit(run("echo", EchoSettings, StallingEcho, StopSignals()))

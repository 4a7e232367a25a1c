"""An echo server whose loop stalls when a caller asks for it: `python stalling.py` with flags."""

import sys
import time

from echo.handler import EchoHandler, EchoHandlers
from echo.service import Echo
from echo.settings import EchoSettings
from runtime.connection import Accepted, CloseReason
from runtime.handler import Watch
from runtime.log import Log
from runtime.main import run
from runtime.signals import StopSignals


class StallingExchange(EchoHandler):
    """An exchange that never comes back from its first turn."""

    def on_ready(self, idle_at: float) -> CloseReason | None:
        """Stall."""
        time.sleep(60)
        return None


class StallingExchanges(EchoHandlers):
    """What makes such exchanges."""

    def __call__(self, accepted: Accepted) -> EchoHandler:
        """An exchange that stalls."""
        return StallingExchange(accepted, self)


class StallingEcho(Echo):
    """An echo service with such exchanges."""

    def handlers(self, watch: Watch, log: Log) -> EchoHandlers:
        """Return what makes handlers that stall."""
        return StallingExchanges(self.stall_timeout, watch, log)


sys.exit(run("echo", EchoSettings, StallingEcho, StopSignals()))

"""A server from its command line to its exit status."""

import os
import sys
from collections.abc import Callable
from io import TextIOWrapper
from typing import TypeVar

from runtime import __version__
from runtime.application import Application
from runtime.log import Sink
from runtime.ports import CannotStart
from runtime.service import Service
from runtime.settings import BadSetting, Settings, parse
from runtime.signals import StopSignals

S = TypeVar("S", bound=Settings)


def run(
    name: str, kind: type[S], make_service: Callable[[S], Service], signals: StopSignals
) -> int:
    """Serve, or check a running server, as command line and environment say.

    Returns the exit status: 0 after an orderly stop, 2 for bad settings, 1 for all else.
    """
    if isinstance(sys.stderr, TextIOWrapper):  # it is None in a process started without it
        # A traceback becomes one write, so that lines of two processes do not mix.
        sys.stderr.reconfigure(line_buffering=False, write_through=False)
    try:
        settings, is_check = parse(kind, name, __version__, sys.argv[1:], os.environ)
        service = make_service(settings)
        if is_check:
            return _check(service, settings, signals)
        return _serve(service, settings, signals)
    except BadSetting as error:
        Sink.of(sys.stderr).write(f"{name}: {error}")
        return 2
    except CannotStart as error:
        Sink.of(sys.stderr).write(f"{name}: {error}")
        return 1


def _serve(service: Service, settings: Settings, signals: StopSignals) -> int:
    if settings.workers == 1:
        return Application(service, settings).run(signals)
    # Imported before the ports are open: they may take the last descriptor, an import needs one.
    from runtime.workers.supervisor import Supervisor

    return Supervisor(Application(service, settings), signals).run()


def _check(service: Service, settings: Settings, signals: StopSignals) -> int:
    from runtime.check import check  # imported only for --check

    signals.unblock()  # a check has nothing to finish
    check(service, settings)
    return 0

"""The supervisor forks the workers, replaces those that die, and ends them together.

It has one thread and waits for signals only: a fork beside another thread would copy the locks that
this thread holds, locked for ever. So the admin port, which has a thread, is a child of its own.
Workers ignore the signals that stop a server: a terminal sends them to all processes at once, and
the supervisor alone decides. If the supervisor is killed, its pipe hangs up and the workers drain.
"""

import math
import os
import select
import signal
import time
from contextlib import suppress
from functools import partial

from runtime import evented
from runtime.application import Application
from runtime.counters import Counters
from runtime.ports import Port
from runtime.shutdown import OVERDUE_S
from runtime.signals import StopSignals
from runtime.workers.process import Process
from runtime.workers.scoreboard import Scoreboard, Slot

# How often the supervisor shows that it is neither stopped nor stuck.
LONGEST_WAIT_S = 1.0


class Supervisor:
    """The child processes of a server."""

    def __init__(self, application: Application, signals: StopSignals) -> None:
        self._application = application
        self._signals = signals
        self._shutdown = application.shutdown
        self._log = application.log
        self._scoreboard = Scoreboard(application.settings.workers)
        self._shutdown.share(self._scoreboard.times)
        places = zip(application.ports, self._scoreboard.slots, strict=True)
        self._workers = [
            Process(f"worker {number}", partial(self._work, port, slot), slot)
            for number, (port, slot) in enumerate(places, 1)
        ]
        self._admin = [Process("admin", self._serve_admin)] if application.admin_listener else []
        self._is_orderly = True  # no worker is known to have failed to drain

    def run(self) -> int:
        """Keep the workers running until a signal stops the server. Returns the exit status."""
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # the parent may have ignored it
        self._application.log_ready()  # before the lines of the first connections
        self._tend(math.inf)
        self._shutdown.begin_delay()
        self._application.print_stopping(self._scoreboard.counts()["open"])
        if not self._tend(self._shutdown.delay_ends_at):
            self._begin_drain()
            self._tend(self._shutdown.deadline + OVERDUE_S)
        status = 0 if self._is_orderly and not self._workers else 1
        self._end_all()
        if status == 0:
            self._application.log_stopped(self._scoreboard.counts())
        return status

    def _tend(self, until: float) -> bool:
        """Replace children that end, until a monotonic time or until no worker is left.

        Returns True if a signal to stop came before.
        """
        while self._workers and (now := time.monotonic()) < until:
            self._start_due(now)
            due = [child.due for child in self._children() if not child.pid]
            until_next = min([until, now + LONGEST_WAIT_S, *due])
            self._scoreboard.supervisor.cell[0] = until_next  # from then on it is stuck
            if self._signals.wait(until_next) in self._signals.requests:
                return True
            self._reap()
        return False

    def _begin_drain(self) -> None:
        """Let the workers drain, and first start those that are due.

        The ports are closed here first, so that they are closed for good when the last worker has
        emptied its queue.
        """
        self._reap()
        self._start_due(math.inf)
        self._is_orderly = all(worker.pid for worker in self._workers)
        self._workers = [worker for worker in self._workers if worker.pid]
        for port in self._application.ports:
            port.close()
        self._shutdown.begin_drain()

    def _children(self) -> list[Process]:
        return [*self._workers, *self._admin]

    def _start_due(self, now: float) -> None:
        for child in self._children():
            if not child.pid and child.due <= now:
                try:
                    child.start()
                except OSError as error:
                    facts = {"process": child.name, "error": error.strerror}
                    self._log.write("warning", "process not started", **facts, pause=child.ended())

    def _reap(self) -> None:
        """Collect what has happened to the children."""
        events = os.WNOHANG | os.WUNTRACED | os.WCONTINUED
        children = {child.pid: child for child in self._children()}
        with suppress(ChildProcessError):
            while (event := os.waitpid(-1, events))[0]:
                child = children.get(event[0])
                if child:  # process 1 of a container also inherits orphans
                    self._happened(child, event[1])

    def _happened(self, child: Process, status: int) -> None:
        if os.WIFSTOPPED(status):
            if child.slot:
                child.slot.suspend()
        elif os.WIFCONTINUED(status):
            if child.slot:
                child.slot.resume()
        else:
            self._ended(child, os.waitstatus_to_exitcode(status))

    def _ended(self, child: Process, status: int) -> None:
        facts: dict[str, object] = {"process": child.name, "status": status}
        if child.slot:
            child.slot.vacate()
        pause = child.ended()
        if child.slot and self._shutdown.draining:
            self._workers.remove(child)
            if status == 0:
                return
            self._is_orderly = False
        else:
            facts["pause"] = pause
        self._log.write("warning", "process ended", **facts)

    def _end_all(self) -> None:
        """Kill all children, and wait until they have ended and their ports are free."""
        for child in self._children():
            child.kill()
        for child in self._children():
            child.join()

    def _work(self, own: Port, slot: Slot) -> None:
        """Serve one of the ports, in a worker."""
        self._shutdown.leave_to_supervisor()
        for port in self._application.ports:
            if port is not own:
                port.close()
        if self._application.admin_listener:
            self._application.admin_listener.close()
        counters = Counters(slot.cells)
        try:
            evented.serve(self._application.context(own, counters, slot.heartbeat))
        finally:
            counters.publish()

    def _serve_admin(self) -> None:
        """Serve the admin port from the scoreboard, in a child, until the supervisor ends."""
        self._shutdown.leave_to_supervisor()
        for port in self._application.ports:
            port.close()
        self._application.serve_admin(self._scoreboard.is_alive, self._scoreboard.counts)
        hang_up = select.poll()
        hang_up.register(self._shutdown, 0)
        hang_up.poll()

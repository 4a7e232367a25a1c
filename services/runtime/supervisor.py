"""The process that keeps a server's workers: forks them, replaces who dies, ends them together.

It has one thread and waits for signals alone, since a fork beside another thread copies whatever
lock that one holds, for ever locked. So the admin port, which is served in threads, is a child of
its own. Workers never obey a signal to stop: a terminal sends it to all of them at once, and this
process alone decides. If it is killed, its pipe hangs up, and workers drain as if it had asked.
"""

import math
import os
import select
import signal
import time
from contextlib import suppress
from functools import partial

from runtime import evented
from runtime.child import Child
from runtime.instance import Instance
from runtime.lifecycle import OVERDUE_S
from runtime.ports import Port
from runtime.scoreboard import Scoreboard, Slot
from runtime.signals import StopSignals
from runtime.tally import Tally

# How often the supervisor shows that it is neither stopped nor stuck.
LONGEST_WAIT_S = 1.0


class Supervisor:
    """The children of a server, in the process that was started."""

    def __init__(self, instance: Instance, signals: StopSignals) -> None:
        self._instance = instance
        self._signals = signals
        self._stop = instance.stop
        self._log = instance.log
        self._scoreboard = Scoreboard(instance.settings.workers)
        self._stop.share(self._scoreboard.times)
        places = zip(instance.ports, self._scoreboard.slots, strict=True)
        self._workers = [
            Child(f"worker {number}", partial(self._work, port, slot), slot)
            for number, (port, slot) in enumerate(places, 1)
        ]
        self._admin = [Child("admin", self._serve_admin)] if instance.admin_listener else []
        self._is_orderly = True  # whoever was to drain has done so, as far as is known

    def run(self) -> int:
        """Keep the workers until told to stop, and end with them; the exit status."""
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # a parent may have left it ignored
        self._instance.say_ready()  # callers can come; the lines of those who are served follow
        self._tend(math.inf)
        self._stop.announce()
        self._instance.tell_stopping(self._scoreboard.counts()["open"])
        if not self._tend(self._stop.signalled_at + self._stop.drain_delay):
            self._request_stop()
            self._tend(self._stop.deadline + OVERDUE_S)
        status = 0 if self._is_orderly and not self._workers else 1
        self._end_all()
        if status == 0:
            self._instance.say_stopped(self._scoreboard.counts())
        return status

    def _tend(self, until: float) -> bool:
        """Replace who ends, until that time or until all workers are done; monotonic seconds.

        A signal to stop cuts it short: True.
        """
        while self._workers and (now := time.monotonic()) < until:
            self._start_due(now)
            due = [child.due for child in self._children() if not child.pid]
            until_next = min([until, now + LONGEST_WAIT_S, *due])
            self._scoreboard.supervisor.cell[0] = until_next  # since when there is work again
            if self._signals.wait(until_next) in self._signals.requests:
                return True
            self._reap()
        return False

    def _request_stop(self) -> None:
        """Ask the workers to stop, those too who only now take the place of dead ones.

        Their ports are closed here first: so they are closed for good when the last has emptied
        its queue, and nobody is let in to wait there.
        """
        self._reap()
        self._start_due(math.inf)
        self._is_orderly = all(worker.pid for worker in self._workers)
        self._workers = [worker for worker in self._workers if worker.pid]
        for port in self._instance.ports:
            port.close()
        self._stop.request()

    def _children(self) -> list[Child]:
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
        """Take note of all that has happened to children."""
        events = os.WNOHANG | os.WUNTRACED | os.WCONTINUED
        children = {child.pid: child for child in self._children()}
        with suppress(ChildProcessError):
            while (event := os.waitpid(-1, events))[0]:
                child = children.get(event[0])
                if child:  # process 1 of a container is also given those that others left
                    self._happened(child, event[1])

    def _happened(self, child: Child, status: int) -> None:
        if os.WIFSTOPPED(status):
            if child.slot:
                child.slot.suspend()
        elif os.WIFCONTINUED(status):
            if child.slot:
                child.slot.resume()
        else:
            self._ended(child, os.waitstatus_to_exitcode(status))

    def _ended(self, child: Child, status: int) -> None:
        facts: dict[str, object] = {"process": child.name, "status": status}
        if child.slot:
            child.slot.vacate()
        pause = child.ended()
        if child.slot and self._stop.requested:
            self._workers.remove(child)
            if status == 0:
                return
            self._is_orderly = False
        else:
            facts["pause"] = pause
        self._log.write("warning", "process ended", **facts)

    def _end_all(self) -> None:
        """End all children at once; when this returns they have gone, and their ports are free."""
        for child in self._children():
            child.kill()
        for child in self._children():
            child.join()

    def _work(self, own: Port, slot: Slot) -> None:
        """Serve one of the ports: what a worker does."""
        self._stop.leave_to_supervisor()
        for port in self._instance.ports:
            if port is not own:
                port.close()
        if self._instance.admin_listener:
            self._instance.admin_listener.close()
        tally = Tally(slot.cells)
        try:
            evented.serve(self._instance.server(own, tally, slot.heartbeat))
        finally:
            tally.publish()

    def _serve_admin(self) -> None:
        """Serve the admin port from the scoreboard, until the supervisor has gone."""
        self._stop.leave_to_supervisor()
        for port in self._instance.ports:
            port.close()
        self._instance.serve_admin(self._scoreboard.is_alive, self._scoreboard.counts)
        hang_up = select.poll()
        hang_up.register(self._stop, 0)
        hang_up.poll()

"""A server under test: the callers it gets, what it counts, and what must hold in the end."""

import asyncio
import os
import re
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from random import Random
from statistics import mean
from typing import NamedTuple

from server_process import ServerProcess, wait_until
from soak.callers import GOOD, HOST, HOSTILE, UDP_RATE, Call, Kind, Wrong

# Short, so that who is silent or does not read is let go many times in a minute; yet a machine
# that halts us for a second makes no good caller look like one of them.
TIMEOUT_S = 2

# After the last caller has gone: the longest that a server waits for one (5 s, its admin port),
# and some more.
SETTLE_S = 15.0

# Of a kind of complaint, in the verdict; the table has the number of all.
MOST_LINES = 10

# From the second fifth of the time to the last, on average. Measured: below 1 MiB in ten minutes,
# less and less with time, most of it in the threaded model. In a whole soak a leak of 600 bytes for
# each connection, which is less than the object that stands for one, comes to more than this.
MOST_GROWTH_BYTES = 4 << 20


class Pace(NamedTuple):
    """How many callers a server has to do with."""

    at_once: int
    per_second: int  # at most, of all kinds together; a caller makes one connection or none
    patience_s: float  # after which a caller takes the server for broken


# All together come to 140 a second: where Docker loads connection tracking it remembers each for
# two minutes, and 262,144 in all. The iterative model serves one at a time, and a hostile caller
# holds it until the timeout: so fewer stand in line there, and the good ones have more patience.
PACES = {
    "iterative": Pace(at_once=4, per_second=10, patience_s=60),
    "threaded": Pace(at_once=60, per_second=30, patience_s=20),
    "evented": Pace(at_once=60, per_second=30, patience_s=20),
}


class Target:
    """A server, and all that its callers did and saw."""

    def __init__(self, service: str, model: str) -> None:
        self.service, self.name = service, f"{service} {model}"
        self.pace = PACES[model]
        # In a session of its own: a Ctrl-C is for us, who still want to know what it counted.
        self.process = ServerProcess(
            service, "--model", model, *flags(service), admin=True, before=os.setsid
        )
        self.callers: Counter[str] = Counter()  # that have ended, by kind
        self.made: Counter[str] = Counter()  # what they did: connections, bytes, datagrams
        self.in_order: Counter[str] = Counter()  # the same, of good callers who ended in order
        self.mismatches: list[str] = []
        self.complaints: list[str] = []
        self.logged: Counter[str] = Counter()
        self.at_rest = (0, 0)
        self.memory: list[int] = []  # resident, bytes, once a second
        self.counted: dict[str, int] = {}  # the server's own numbers

    def held(self) -> tuple[int, int]:
        """The descriptors and the threads of the server."""
        return self.process.descriptors(), self.process.threads()

    async def warm_up(self) -> None:
        """Have each good kind of caller once, and see what the server holds when they have gone."""
        for kind in GOOD[self.service]:
            await self._meet(kind, Random(0))
        readings = []
        for _ in range(20):
            await asyncio.sleep(0.05)
            readings.append(self.held())
        self.at_rest = min(readings)

    async def send_callers(self, seed: int, until: float) -> None:
        """Start callers until that time, in monotonic seconds; return when the last has gone."""
        weights = GOOD[self.service] | HOSTILE[self.service]
        random = Random(f"{seed} {self.name}")
        room = asyncio.Semaphore(self.pace.at_once)
        async with asyncio.TaskGroup() as calling:
            while time.monotonic() < until:
                await room.acquire()
                (kind,) = random.choices(list(weights), list(weights.values()))
                caller = calling.create_task(self._meet(kind, Random(random.random())))
                caller.add_done_callback(lambda _: room.release())
                await asyncio.sleep(1 / self.pace.per_second)

    async def _meet(self, kind: Kind, random: Random) -> None:
        call = Call(self.service, self.process, random)
        try:
            async with asyncio.timeout(self.pace.patience_s):
                await kind(call)
            if kind in GOOD[self.service]:
                self.in_order.update(call.made)
        except (Wrong, OSError, ExceptionGroup) as error:
            self.mismatches.append(f"{kind.__name__}: {reason(error)}")
        finally:
            self.callers[kind.__name__] += 1
            self.made.update(call.made)

    def look(self) -> None:
        """Note the server's memory, what it complains of, and the sums of what else it says."""
        with suppress(FileNotFoundError):  # it has ended, which the verdict will tell
            pages = Path(f"/proc/{self.process.process.pid}/statm").read_text().split()[1]
            self.memory.append(int(pages) * os.sysconf("SC_PAGE_SIZE"))
        said = self.process.lines[:]
        del self.process.lines[: len(said)]
        self.complaints += [str(line) for line in said if line["level"] != "info"]
        for line in said:
            self.logged.update({key: line.get(key, 0) for key in ("bytes_in", "bytes_out")})

    def finish(self, settled_by: float) -> None:
        """Wait until the server is at rest, or for that time; take its numbers, and stop it."""
        if self.process.process.poll() is not None:
            return
        try:
            with suppress(AssertionError):  # the verdict tells what it still holds
                patience_s = settled_by - time.monotonic()
                wait_until(lambda: self.held() == self.at_rest, "rest", patience_s)
            self.counted = self._numbers()
            self.process.stop()
        except (OSError, subprocess.SubprocessError) as error:
            self.complaints.append(f"it neither answers nor ends: {error}")
        self.look()

    def _numbers(self) -> dict[str, int]:
        descriptors, threads = self.held()
        return {
            **samples(self.process.metrics()),
            "descriptors": descriptors - self.at_rest[0],
            "threads": threads - self.at_rest[1],
            "growth": growth(self.memory),
            "lost": lost_datagrams(self.process.port),
        }

    def column(self) -> dict[str, int]:
        """The numbers that the table shows, by row."""
        labelled = re.compile(r'\w+\{(ending|reason|error)="(\w+)"\}')
        faults = {labelled.sub(r"\1 \2", name): value for name, value in self.counted.items()}
        return {
            **self.made,
            "mismatches": len(self.mismatches),
            "descriptors left": self.counted.get("descriptors", 0),
            "threads left": self.counted.get("threads", 0),
            "memory, KiB": self.memory[-1] // 1024 if self.memory else 0,
            "memory growth, KiB": self.counted.get("growth", 0) // 1024,
            "datagrams lost": self.counted.get("lost", 0),
            **{name: value for name, value in faults.items() if " " in name},
            **{f"callers {name}": count for name, count in sorted(self.callers.items())},
        }

    def violations(self) -> Iterator[str]:
        """A line for each thing that does not hold."""
        for complaints in (self.mismatches, self.complaints, self.process.stderr.splitlines()[-1:]):
            for line, times in Counter(complaints).most_common(MOST_LINES):
                yield line if times == 1 else f"{line} ({times} times)"
        if self.process.process.returncode != 0:
            yield f"exit status {self.process.process.returncode}"
        if self.counted:
            rows = self._equal().items()
            yield from (f"not equal: {row} {of}" for row, of in rows if len(set(of)) > 1)
            rows = self._ascending().items()
            yield from (f"not ascending: {row} {of}" for row, of in rows if sorted(of) != of)

    def _equal(self) -> dict[str, list[int]]:
        """Numbers that must be the same, now that nobody calls any more."""
        count, made = self.counted, self.made
        accepted, ended = count["connections_total"], total(count, "connection_endings_total")
        received, answered = count["datagrams_received_total"], count["datagrams_sent_total"]
        dropped = total(count, "datagrams_dropped_total")
        received_bytes = count['received_bytes_total{transport="tcp"}']
        sent_bytes = count['sent_bytes_total{transport="tcp"}']
        return {
            "connections made, accepted, ended": [made["connections"], accepted, ended],
            "datagrams sent, received or lost": [made["datagrams"], received + count["lost"]],
            "datagrams received, answered or dropped": [received, answered + dropped],
            "bytes received, in log lines": [received_bytes, self.logged["bytes_in"]],
            "bytes sent, in log lines": [sent_bytes, self.logged["bytes_out"]],
            "accept errors": [0, total(count, "accept_errors_total")],
            "more descriptors than at first": [0, count["descriptors"]],
            "more threads than at first": [0, count["threads"]],
        }

    def _ascending(self) -> dict[str, list[int]]:
        """Numbers none of which may be more than the next: of the hostile, we know bounds alone."""
        count, made, least = self.counted, self.made, self.in_order
        done = count['connection_endings_total{ending="done"}']
        received = count['received_bytes_total{transport="tcp"}']
        sent = count['sent_bytes_total{transport="tcp"}'] if self.service == "echo" else received
        refused = count['datagrams_dropped_total{reason="source_port"}']
        came = self.callers["refused_source"]
        return {
            "connections of the good, done": [least["connections"], done],
            "bytes of the good, received, made": [least["bytes"], received, made["bytes"]],
            "bytes of the good, echoed, received": [least["bytes"], sent, received],
            "refused sources that arrived, drops, all": [came - count["lost"], refused, came],
            "bytes of memory growth, bound": [count["growth"], MOST_GROWTH_BYTES],
        }


def flags(service: str) -> list[str]:
    """The settings of a server, beside its model."""
    timeouts = ["--idle-timeout", "--stall-timeout"] if service == "echo" else []
    given = [word for flag in timeouts for word in (flag, str(TIMEOUT_S))]
    return ["--host", HOST, "--udp", "--udp-rate", str(UDP_RATE), *given]


def samples(text: str) -> dict[str, int]:
    """The values on a page of /metrics."""
    found = re.findall(r"^small_services_(\S+) (\d+)$", text, re.MULTILINE)
    return {name: int(value) for name, value in found}


def total(count: dict[str, int], family: str) -> int:
    """The sum of the samples of a family, whatever their labels."""
    return sum(value for name, value in count.items() if name.startswith(family))


def growth(memory: list[int]) -> int:
    """Bytes from the mean of the second fifth of the readings to that of the last."""
    fifth = len(memory) // 5
    return round(mean(memory[-fifth:]) - mean(memory[fifth : 2 * fifth])) if fifth else 0


def lost_datagrams(port: int) -> int:
    """How many datagrams the kernel had no room for in the receive buffer (proc_net_udp)."""
    rows = [row.split() for row in Path("/proc/net/udp").read_text().splitlines()[1:]]
    return sum(int(row[-1]) for row in rows if int(row[1].rpartition(":")[2], 16) == port)


def reason(error: BaseException) -> str:
    """The first thing that went wrong, in a line."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error) or "waited too long" if isinstance(error, OSError | Wrong) else repr(error)

"""Show who waits for whom: the same three slow callers, served by each concurrency model."""

import asyncio
import json
import os
import select
import signal
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from functools import partial
from pathlib import Path
from subprocess import PIPE, Popen
from typing import NamedTuple

from scripts.parent import end_with

SERVICES = Path(__file__).parent.parent / "services"

# A model, how it serves its callers, and what its chart teaches.
MODELS = {
    "iterative": ("one after the other", "Each waits until all who came before have left."),
    "threaded": ("a thread for each", "Nobody waits; every caller costs a thread."),
    "evented": ("one loop for all", "Nobody waits; every caller costs an entry in a table."),
}

CALLERS = 3
GAP_S = 0.2  # between two arrivals
STAY_S = 0.8  # of a person who types; more than all gaps together, so that all stays overlap
PATIENCE_S = 10.0  # with one model, start to end; what works takes a third of that

# A chart of 52 columns leaves room for what stands beside it within 80, and holds 2.6 s; where
# the callers took longer its columns stand for more.
CHART_COLUMNS = 52
COLUMN_S = 0.05


class Visit(NamedTuple):
    """When a caller came, had its first bytes back and left, seconds since the first one came."""

    arrived: float
    served: float
    left: float
    threads_before: int  # of the server when this caller came; 0 where there is no /proc to tell
    threads: int  # and once this caller was served


class Failed(Exception):
    """There is nothing to draw: one line."""


def main() -> int:
    """Measure and draw one model after the other; the exit status."""
    try:
        asyncio.run(show_all())
    except Failed as error:
        print(f"demo-blocking: {error}", file=sys.stderr)
        return 1
    except (asyncio.CancelledError, KeyboardInterrupt):  # in the loop, and before or after it
        return 128 + signal.SIGINT
    except BrokenPipeError:  # of print, for all others become Failed: the reader has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    return 0


async def show_all() -> None:
    """Print a legend, then a chart for each model that this system has."""
    # Whatever ends it, the server, in a session of its own, must not stay behind. Ctrl-C as well is
    # left to the loop: asyncio's own handler cancels in the midst of a callback, which then fails.
    task = asyncio.current_task()
    assert task
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        task.get_loop().add_signal_handler(number, task.cancel)
    ink = ink_for(sys.stdout.encoding)
    print(f"{CALLERS} slow callers come {GAP_S} s apart.", end=" ")
    print(f"Each says hello, types for {STAY_S} s, says goodbye.")
    print("One thread of each server does nothing but wait for signals.")
    print(f"  {ink[0] * 3} waiting for the first byte back   {ink[1] * 3} being served")
    for model, (how, moral) in MODELS.items():
        print(f"\n{model}: {how}", flush=True)
        if model == "evented" and not hasattr(select, "epoll"):
            print("  Left out: it needs epoll, which this system does not have.")
        else:
            print(*chart(await measure(model), ink), f"  {moral}", sep="\n", flush=True)


async def measure(model: str) -> list[Visit]:
    """Start a server, send it all callers, end it; what they saw."""
    try:
        async with asyncio.timeout(PATIENCE_S), server(model) as (port, pid):
            start = time.monotonic()
            return await asyncio.gather(
                *(visit(n * GAP_S, start, port, pid) for n in range(CALLERS))
            )
    except (OSError, EOFError) as error:
        raise Failed(f"{model}: {str(error) or 'took too long'}") from None


@asynccontextmanager
async def server(model: str) -> AsyncIterator[tuple[int, int]]:
    """An echo server for as long as the context lasts: its port and its process id."""
    flags = ["--host", "127.0.0.1", "--port", "0", "--model", model, "--log-level", "info"]
    command = [sys.executable, "-m", "echo", *flags]
    # In a session of its own, so that a Ctrl-C is ours alone to handle. Not a process of asyncio,
    # which may complain of one that ends just when it is killed.
    with Popen(
        command,
        cwd=SERVICES,
        stdout=PIPE,
        stderr=PIPE,
        preexec_fn=partial(end_with, os.getpid()),
        start_new_session=True,
    ) as child:
        try:
            yield await asyncio.to_thread(port_of, child), child.pid
        finally:
            child.kill()  # not asked to stop: there is nobody left to drain


def port_of(child: Popen[bytes]) -> int:
    """The port that a server's ready line names, once it is there."""
    assert child.stdout
    assert child.stderr
    line = child.stdout.readline()
    if not line:
        *_, reason = child.stderr.read().decode().splitlines() or ["ended without a word"]
        raise Failed(reason)
    return int(json.loads(line)["address"].rpartition(":")[2])


async def visit(delay: float, start: float, port: int, pid: int) -> Visit:
    """Come, say something, be slow, say something else, leave."""
    await asyncio.sleep(delay)
    threads_before, arrived = threads_of(pid), time.monotonic()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with closing(writer):
        await say(b"hello\n", reader, writer)
        served = time.monotonic()
        threads = threads_of(pid)
        await asyncio.sleep(STAY_S)
        await say(b"goodbye\n", reader, writer)
    left = time.monotonic()
    return Visit(arrived - start, served - start, left - start, threads_before, threads)


async def say(line: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send a line and wait until as much has come back."""
    writer.write(line)
    await reader.readexactly(len(line))


def threads_of(pid: int) -> int:
    """How many threads a process has; 0 where there is no /proc to tell."""
    tasks = Path(f"/proc/{pid}/task")
    return len(list(tasks.iterdir())) if tasks.exists() else 0


def ink_for(encoding: str) -> str:
    """What to draw with, waiting and served."""
    return ".█" if encoding.lower().startswith("utf") else ".#"


def chart(visits: Sequence[Visit], ink: str) -> list[str]:
    """A line for each caller, the time below, and what the callers cost in threads."""
    end = max(visit.left for visit in visits)
    column_s = max(COLUMN_S, end / CHART_COLUMNS)
    lines = [
        f"  caller {number}  {timeline(visit, column_s, ink):{CHART_COLUMNS}}"
        f"  waited {visit.served - visit.arrived:.1f} s"
        for number, visit in enumerate(visits, 1)
    ]
    lines.append(f"            {axis(end, column_s)}")
    before, most = visits[0].threads_before, max(visit.threads for visit in visits)
    if most:
        lines.append(f"  Threads in the server: {before} without callers, {most} with them.")
    return lines


def timeline(visit: Visit, column_s: float, ink: str) -> str:
    """A caller's time from left to right: not there yet, waiting, being served."""
    # Rounded down, as what is late by a moment only must not show.
    arrived, served, left = (int(at / column_s) for at in visit[:3])
    return " " * arrived + ink[0] * (served - arrived) + ink[1] * (left - served)


def axis(end: float, column_s: float) -> str:
    """Where the seconds are."""
    marks = ""
    for second in range(int(end) + 1):
        marks = marks.ljust(round(second / column_s)) + f"{second} s"
    return marks


if __name__ == "__main__":
    sys.exit(main())

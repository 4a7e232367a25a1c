"""Good and hostile callers together, on both services in every model: what breaks, what drifts.

`make soak SECONDS=60 SEED=1`. The same seed starts the same clients in the same order; their timing
depends on the machine. Exit status 0 if all holds, 1 with a line for each violation, 130 after
Ctrl-C.
"""

import argparse
import asyncio
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from random import randrange

from own_network import own_network
from soak.callers import GOOD
from soak.target import PACES, SETTLE_S, Target

PROGRESS_S = 10
LEAST_S = 10  # there must be some readings in each fifth of the time
ALWAYS_SHOWN = {"mismatches", "descriptors left", "threads left"}


def main() -> int:
    """Soak as the command line asks; the exit status."""
    parser = argparse.ArgumentParser(prog="soak", description="Good and hostile callers together.")
    parser.add_argument("--seconds", type=int, default=600, help=f"how long, at least {LEAST_S}")
    parser.add_argument("--seed", type=int, default=randrange(1 << 32), help="who calls when")
    options = parser.parse_args()
    if options.seconds < LEAST_S:
        parser.error(f"--seconds: is not {LEAST_S} or more")
    with own_network():  # the callers leave too many connections behind for the host's
        return asyncio.run(judge(options.seconds, options.seed))


async def judge(seconds: int, seed: int) -> int:
    """Start the servers, soak and stop them, print what came of it; the exit status."""
    task = asyncio.current_task()
    assert task
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        task.get_loop().add_signal_handler(number, task.cancel)
    with ExitStack() as servers:
        targets = []
        try:
            for service in GOOD:
                for model in PACES:
                    targets.append(Target(service, model))
                    servers.callback(targets[-1].process.end)
            print(f"{len(targets)} servers, {seconds} s, seed {seed}", flush=True)
            await soak(targets, seconds, seed)
        except asyncio.CancelledError:
            for target in targets:
                target.finish(settled_by=0)
            print("interrupted", *table(targets), sep="\n")
            return 128 + signal.SIGINT
        settled_by = time.monotonic() + SETTLE_S
        for target in targets:
            target.finish(settled_by)
    violations = [f"{target.name}: {line}" for target in targets for line in target.violations()]
    print(*table(targets), *violations, sep="\n")
    print(f"{len(violations)} violations" if violations else "all holds", f"(seed {seed})")
    return 1 if violations else 0


async def soak(targets: Sequence[Target], seconds: int, seed: int) -> None:
    """Send callers to all servers for that long, and look at them meanwhile."""
    await asyncio.gather(*(target.warm_up() for target in targets))
    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for target in targets:
            group.create_task(target.send_callers(seed, began + seconds))
        for second in range(1, seconds + 1):
            await asyncio.sleep(began + second - time.monotonic())
            for target in targets:
                target.look()
            if second % PROGRESS_S == 0:
                print(progress(targets, second), flush=True)


def progress(targets: Sequence[Target], second: int) -> str:
    """A line of what was done so far."""
    made = {name: sum(t.made[name] for t in targets) for name in ("connections", "datagrams")}
    megabytes = sum(target.made["bytes"] for target in targets) / 1e6
    mismatches = sum(len(target.mismatches) for target in targets)
    return (
        f"{second:5} s: {made['connections']} connections, {megabytes:.1f} MB, "
        f"{made['datagrams']} datagrams, {mismatches} mismatches"
    )


def table(targets: Sequence[Target]) -> list[str]:
    """A column for each server; what occurred nowhere has no row."""
    columns = [target.column() for target in targets]
    names = dict.fromkeys(name for column in columns for name in column)
    rows = {name: [column.get(name, 0) for column in columns] for name in names}
    heads = [[target.name.split()[word] for target in targets] for word in (0, 1)]
    return [
        *(f"{'':25}" + "".join(f"{word:>12}" for word in head) for head in heads),
        *(
            f"{name:25}" + "".join(f"{value:12}" for value in row)
            for name, row in rows.items()
            if any(row) or name in ALWAYS_SHOWN
        ),
    ]


if __name__ == "__main__":
    sys.exit(main())

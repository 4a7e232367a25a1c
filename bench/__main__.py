"""python -m bench: what our servers cost beside others."""

import argparse
import os
import signal
import subprocess
import sys
from dataclasses import asdict

from bench import building
from bench.building import NotBuilt
from bench.measuring import Bench, measure
from bench.programs import Images, Local, Place
from bench.report import work_table
from bench.result import BY_NAME, Result
from bench.works import TITLES, Work


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench")
    parser.add_argument("command", choices=["quick"])
    parser.add_argument("--source", choices=["image", "local"], default="local")
    parser.add_argument("--only", default="echo-64x64,echo-64x16k,daytime")
    parser.add_argument("--peers", default="evented,go,c")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.4)
    o = parser.parse_args()
    place: Place = Local() if o.source == "local" else Images("0.1.0")
    cores = sorted(os.sched_getaffinity(0))
    bench = Bench(place, building.compiled(building.BENCH / "load.c"), cores[0], cores[-1], o.rounds, o.seconds)
    data = {"works": {}}
    for name in o.only.split(","):
        work = BY_NAME[name]
        peers = tuple(p for p in o.peers.split(",") if p in work.servers)
        done = measure(bench, work._replace(servers=peers))
        data["works"][name] = done._asdict()
        r = Result(data)
        print(work.title)
        print(work_table(r, work._replace(servers=peers)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

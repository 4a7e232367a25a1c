"""python -m bench run|quick|report: what our servers cost beside others."""

import argparse
import os
import resource
import signal
import sys
from collections.abc import Callable, Collection

from bench import building, documents, runs
from bench.building import NotBuilt
from bench.load import LoadGenerator
from bench.machine import our_version
from bench.measuring import Bench
from bench.programs import Images, Local, Place
from bench.report import circumstances, target_table
from bench.result import NoResult, Result
from bench.works import BY_NAME, QUICK_SERVERS, QUICK_WORKS, TITLES, WORKS, quick


def main() -> int:
    """Do what the command line asks; the exit status."""
    options = _options()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        return {"run": _run, "quick": _quick, "report": _report}[options.command](options)
    except (NotBuilt, NoResult, documents.NoMarkers) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bench: interrupted", file=sys.stderr)
        return 128 + signal.SIGINT


def _run(options: argparse.Namespace) -> int:
    draw = _charts()  # before ten minutes are spent
    result = runs.whole(_bench(options), WORKS)
    print(f"written to {result.write()}\n")
    documents.write(result, draw)
    print(*circumstances(result), target_table(result), sep="\n\n")
    return _status(result)


def _quick(options: argparse.Namespace) -> int:
    works = [quick(BY_NAME[name], options.servers) for name in options.only]
    result = runs.some(_bench(options), works)
    print(*circumstances(result), sep="\n\n")
    return _status(result)


def _report(_: argparse.Namespace) -> int:
    documents.write(Result.newest(), _charts())
    return 0


def _status(result: Result) -> int:
    failures = result.failures()
    print(*failures, sep="\n", end="\n" if failures else "", file=sys.stderr)
    return 1 if failures else 0


def _charts() -> documents.Draw:
    try:
        from bench.charts import draw
    except ModuleNotFoundError as error:
        raise NotBuilt(f"no {error.name}, which draws the charts: make .venv/bench") from None
    return draw


def _bench(options: argparse.Namespace) -> Bench:
    if sys.platform != "linux":
        raise NotBuilt("needs Linux: epoll, /proc, and a core for each side")
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # the servers inherit it
    cores = sorted(os.sched_getaffinity(0))
    program = building.compiled(building.BENCH / "load.c")
    generator = LoadGenerator(program, cores[-1], options.seconds)
    return Bench(_place(options.source), cores[0], generator, options.rounds)


def _place(source: str) -> Place:
    if source == "local":
        return Local()
    try:
        return Images(our_version())
    except NotBuilt as error:
        if source == "image":
            raise
        print(f"bench: the local interpreter, not the images: {error}", file=sys.stderr)
        return Local()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bench",
        description="What our servers cost beside others. Exit status: 0 done, 1 a server failed "
        "or nothing could be measured, 2 wrong arguments, 130 after Ctrl-C.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="measure all, write result, tables and charts")
    some = commands.add_parser("quick", help="measure some, and only show it")
    commands.add_parser("report", help="write tables and charts anew from the last result")
    for command, rounds, seconds in ((run, 5, 0.8), (some, 3, 0.3)):
        command.add_argument("--rounds", type=_number(int), default=rounds, help=f"({rounds})")
        command.add_argument("--seconds", type=_number(float), default=seconds, help=f"({seconds})")
        command.add_argument("--source", choices=["auto", "image", "local"], default="auto")
    some.add_argument("--only", type=_some_of(BY_NAME), default=QUICK_WORKS, metavar="WORK,...")
    some.add_argument(
        "--servers", type=_some_of(TITLES), default=QUICK_SERVERS, metavar="SERVER,..."
    )
    return parser.parse_args()


def _some_of(names: Collection[str]) -> Callable[[str], list[str]]:
    def parse(text: str) -> list[str]:
        for name in text.split(","):
            if name not in names:
                raise argparse.ArgumentTypeError(f"{name}: not one of {', '.join(names)}")
        return text.split(",")

    return parse


def _number(kind: Callable[[str], float]) -> Callable[[str], float]:
    def parse(text: str) -> float:
        value = kind(text)
        if not 0 < value <= 60:
            raise argparse.ArgumentTypeError(f"{text}: not above 0 and at most 60")
        return value

    return parse


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())

"""What is measured beside the rounds: start-up, image sizes, and who gets whom of two workers."""

import json
from typing import Any

from bench.building import BENCH, output
from bench.load import LoadFailed, Sample
from bench.measuring import Bench
from bench.processes import sockets
from bench.programs import Images
from bench.servers import Server, ServerFailed, printed
from bench.works import BY_NAME

STARTS = 11
WORKERS = 2


def startup(bench: Bench) -> dict[str, Any]:
    """Seconds of each start of a service, and of an interpreter with nothing to do."""
    script = (BENCH / "startup.py").read_text()
    found = {}
    for service in ("echo", "daytime"):
        arguments = ["-c", script, str(STARTS), "nothing", service]
        how = bench.place.our_python(service, arguments, bench.core)
        found[service] = json.loads(printed(how, bench.core))
    return found


def image_bytes(bench: Bench) -> dict[str, Any]:
    """The unpacked size of each service's image."""
    if not isinstance(bench.place, Images):
        return {"not_run": "no image was measured"}
    question = ["docker", "image", "inspect", "--format={{.Size}}"]
    return {name: int(output(*question, tag)) for name, tag in bench.place.images.items()}


def spread(bench: Bench) -> dict[str, Any]:
    """How many of 64 connections each of two workers has."""
    usage = bench.place.ours("echo", ["--help"], bench.core)
    if "--workers" not in printed(usage, bench.core):
        return {"not_run": "echo has no --workers"}
    work = BY_NAME["echo-64x64"]._replace(mode="idle", flags=("--workers", str(WORKERS)))
    counts: dict[int, int] = {}
    try:
        with Server(bench.place, "evented", work, bench.core) as server:
            server.wait(processes=1 + WORKERS)
            server.settle()
            before = sockets(server.pids)

            def count() -> Sample:
                counts.update(sockets(server.pids))
                return {}

            bench.generator.run(work, server.port, [], count)
    except (ServerFailed, LoadFailed, OSError) as error:
        return {"not_run": str(error)}
    more = sorted(counts[pid] - before[pid] for pid in counts)
    return {"connections": work.connections, "workers": more[-WORKERS:]}

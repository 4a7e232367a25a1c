"""Which duties our services keep, which others do, and which servers that are broken on purpose.

`make conformance` runs `probe conform` against all of them and writes the tables of
docs/conformance.md. Servers and probe run in network namespaces of their own, joined by a virtual
Ethernet: inetd has its ports 7 and 13, no other host can be reached, and nothing is left behind.
Exit status 0 if the document is written, else 1.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, product
from pathlib import Path
from subprocess import Popen
from tempfile import TemporaryDirectory
from textwrap import wrap

from broken_servers import BROKEN, Broken
from conformance.foreign import HOST, SERVERS, Foreign, Missing, running, unpack
from conformance.table import Column, Finding, Reasons, table
from probes import __version__
from probes.conformance.runner import CHECKS
from probes.core.result import Transport
from process.clients.tool import ENVIRONMENT, LAUNCHER, PYTHON
from server_process import ServerProcess, wait_until

DOCUMENT = Path(__file__).parents[2] / "docs/conformance.md"
BEGIN, END = "<!-- begin of what make conformance writes -->", "<!-- end -->"

MODELS = ("iterative", "threaded", "evented")
CALLER = "192.0.2.2"
TIMEOUT_S = 3

# How often each server is started and checked: not all of them do the same each time.
ROUNDS = 3

# All processes end with the first one, and what an inetd writes into /run is gone with it.
APART = ["unshare", "--net", "--mount-proc", "--pid", "--fork", "--kill-child"]
AS_ROOT = ["--user", "--map-root-user"]


def main() -> int:
    """Unpack the foreign servers, and go on where nobody else is; the exit status."""
    if sys.argv[1:]:
        return compare(Path(sys.argv[1]), json.loads(sys.argv[2]))
    if missing := [tool for tool in ("unshare", "nsenter", "ip") if not shutil.which(tool)]:
        print(f"conformance: there is no {missing[0]}", file=sys.stderr)
        return 1
    with TemporaryDirectory() as directory:
        versions = unpack_all(Path(directory))
        apart = [*APART, *(AS_ROOT if os.geteuid() else [])]
        command = [*apart, sys.executable, "-m", "conformance", directory, json.dumps(versions)]
        return subprocess.run(command, check=False).returncode


def unpack_all(directory: Path) -> dict[str, str]:
    """Unpack the foreign servers; the versions of those that there are."""
    versions = {}
    for server in SERVERS:
        try:
            versions[server.package] = unpack(server.package, directory)
        except Missing as missing:
            print(f"not run: {server.package}, since {missing}", file=sys.stderr)
    return versions


def compare(directory: Path, versions: dict[str, str]) -> int:
    """Check all servers and write the document; the exit status."""
    ip("link set lo up")
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
    real = {}
    with neighbour() as beside:
        for protocol in CHECKS:
            real[protocol] = [ours(protocol, model, beside) for model in MODELS]
            real[protocol] += [
                foreign(protocol, server, directory, beside)
                if server.package in versions
                else Column(server.package, None)
                for server in SERVERS
            ]
    write(report(real, versions))
    return 0


def ip(arguments: str, beside: list[str] | None = None) -> None:
    """Run ip(8), here or in another namespace."""
    subprocess.run([*(beside or []), "ip", *arguments.split()], check=True)


@contextmanager
def neighbour() -> Iterator[list[str]]:
    """A network namespace for the probe: what a command must begin with to run there."""
    with Popen(["unshare", "--net", "sleep", "infinity"]) as holder:
        try:
            namespace = Path(f"/proc/{holder.pid}/ns/net")
            here = Path("/proc/self/ns/net").readlink()
            wait_until(lambda: namespace.readlink() != here, "a second network")
            beside = ["nsenter", f"--net={namespace}"]
            ip(f"link add servers type veth peer name caller netns {holder.pid}")
            ip(f"address add {HOST}/24 dev servers")
            ip("link set servers up")
            ip(f"address add {CALLER}/24 dev caller", beside)
            ip("link set caller up", beside)
            yield beside
        finally:
            holder.kill()


def ours(protocol: str, model: str, beside: list[str]) -> Column:
    """What our service does, under a model."""
    rounds = []
    for _ in range(ROUNDS):
        with ServerProcess(protocol, "--udp", "--host", HOST, "--model", model) as server:
            rounds.append(conform(protocol, f"{HOST}:{server.port}", "--both", beside=beside))
    return column(protocol, model, rounds)


def foreign(protocol: str, server: Foreign, directory: Path, beside: list[str]) -> Column:
    """What another server does, started anew for each round."""
    rounds = []
    address = f"{HOST}:{server.ports[protocol]}"
    try:
        for _ in range(ROUNDS):
            with running(server, directory):
                rounds.append(conform(protocol, address, "--both", beside=beside))
    except Missing as missing:
        print(f"not run: {missing}", file=sys.stderr)
        return Column(server.package, None)
    return column(protocol, server.package, rounds)


def broken(each: Broken) -> Column:
    """What a server does that breaks a duty."""
    over = ["--udp"] if each.transport == "udp" else []
    with each.start() as server:
        return column(each.protocol, each.flaw, [conform(each.protocol, server.address, *over)])


def conform(protocol: str, *arguments: str, beside: Sequence[str] = ()) -> list[Finding]:
    """The checks of `probe conform`."""
    probe = [*PYTHON, "-c", LAUNCHER.format(tool="probe"), "conform", protocol, *arguments]
    command = [*beside, *probe, "--timeout", str(TIMEOUT_S), "--json"]
    done = subprocess.run(command, env=ENVIRONMENT, stdout=subprocess.PIPE, check=False)
    return [json.loads(line) for line in done.stdout.splitlines()[:-1]]


def column(protocol: str, name: str, rounds: list[list[Finding]]) -> Column:
    """The column of a server, which is told on stdout as well."""
    findings: dict[tuple[str, str], list[Finding]] = {}
    for each in chain(*rounds):
        findings.setdefault((each["duty"], each["check"]), []).append(each)
    counts = Counter(each["verdict"] for each in chain(*rounds))
    told = ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items()))
    print(f"{protocol}, {name}: {told}", flush=True)
    return Column(name, findings)


def report(real: dict[str, list[Column]], versions: dict[str, str]) -> list[str]:
    """The part of the document that is written here."""
    told = [f"small-services {__version__}", *(f"{name} {versions[name]}" for name in versions)]
    lines = [*wrap(f"{', '.join(told)}; Linux {platform.release()}; {ROUNDS} rounds.", 100), ""]
    reasons = Reasons()
    for protocol, columns in real.items():
        lines += [f"### {protocol}", "", *table(protocol, columns, reasons), ""]
    lines += ["Why:", "", *reasons.lines(), ""]
    for protocol, transport in product(CHECKS, Transport):
        columns = [broken(each) for each in BROKEN if each[:2] == (protocol, transport)]
        lines += [f"### {protocol} over {transport.name}, broken on purpose", ""]
        lines += [*table(protocol, columns), ""]
    return lines


def write(lines: list[str]) -> None:
    """Put the lines where the document has room for them."""
    before, _, rest = DOCUMENT.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    DOCUMENT.write_text("\n".join([before + BEGIN, "", *lines[:-1], "", END + after]))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)

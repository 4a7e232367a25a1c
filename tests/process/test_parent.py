"""Whatever ends a program that starts servers ends these."""

import os
import subprocess
import sys

import pytest

from server_process import SERVICES, is_running, wait_until

ROOT = SERVICES.parent

# Programs that start a server, as the tests, the soak and the benchmarks do, and show its pid.
STARTERS = {
    "tests": """
from server_process import ServerProcess
print(ServerProcess("echo", "--workers", "2").process.pid, flush=True)
input()
""",
    "bench": """
from bench.processes import started
with started(["sleep", "600"], 0) as process:
    print(process.pid, flush=True)
    input()
""",
}


@pytest.mark.fault("a program that starts servers (demo, soak, benchmark, tests) is killed")
@pytest.mark.parametrize("program", STARTERS.values(), ids=STARTERS)
def test_a_killed_program_leaves_no_server(program: str) -> None:
    """SIGKILL of a program ends the server that it started."""
    path = os.pathsep.join(map(str, (ROOT, ROOT / "tests/support")))
    with subprocess.Popen(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONPATH": path},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as starter:
        assert starter.stdout
        pid = int(starter.stdout.readline())
        starter.kill()
        wait_until(lambda: not is_running(pid), "the end of the server")

"""make demo-blocking: what it measures, what it draws, and that it leaves no server behind."""

import re
import runpy
import signal
import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from children import children, running
from server_process import PATIENCE_S, environment, is_running, wait_until

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "demo_blocking.py"

STAY_S = 0.8

# A system without epoll, and of the script what takes no time.
EVENTED_WITHOUT_EPOLL = f"""
import runpy, select, sys
del select.epoll
script = runpy.run_path({str(SCRIPT)!r})
del script["MODELS"]["iterative"], script["MODELS"]["threaded"]
sys.exit(script["main"]())
"""


def start(*program: str, **variables: str) -> AbstractContextManager[subprocess.Popen[str]]:
    """Run the script; a socket or a process left open would be a warning on stderr."""
    return running(
        [sys.executable, "-W", "error", *(program or ["-m", "scripts.demo_blocking"])],
        cwd=ROOT,
        env=environment(PYTHONUNBUFFERED="", **variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def sockets(pid: int) -> int:
    """How many sockets a process has open."""
    return sum(each.is_socket() for each in Path(f"/proc/{pid}/fd").iterdir())


def demo() -> dict[str, Any]:
    """The script's own names, without a run of it."""
    return runpy.run_path(str(SCRIPT))


def drawn(*visits: tuple[float, float, float, int, int]) -> list[str]:
    """The chart of some visits."""
    names = demo()
    lines: list[str] = names["chart"]([names["Visit"](*visit) for visit in visits], ".#")
    return lines


def test_who_waits_for_whom() -> None:
    """Under `iterative` all wait for those before; under `threaded` and `evented` nobody waits."""
    with start(PYTHONIOENCODING="ascii") as process:
        out, err = process.communicate(timeout=2 * PATIENCE_S)
    assert (process.returncode, err) == (0, "")
    assert max(map(len, out.splitlines())) <= 80
    _, *sections = out.split("\n\n")
    waits = {
        section.partition(":")[0]: [float(s) for s in re.findall(r"waited ([0-9.]+) s", section)]
        for section in sections
    }
    assert [*waits] == ["iterative", "threaded", "evented"]
    first, second, third = waits.pop("iterative")
    assert first < second < third > STAY_S
    for seconds in waits.values():
        assert len(seconds) == 3
        assert max(seconds) < STAY_S
    threads = re.findall(r"(\d+) without callers, (\d+) with them", out)
    assert [before < most for before, most in threads] == [False, True, False]


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted(number: signal.Signals) -> None:
    """Ctrl-C in the midst of it ends script and server, quietly and with 130, and so does any
    other request to end.
    """
    with start() as process:
        (server,) = wait_until(lambda: children(process.pid), "the server")
        wait_until(lambda: sockets(server) > 1, "a caller")
        process.send_signal(number)
        _, err = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, err) == (130, "")
    assert not Path(f"/proc/{server}").exists()


@pytest.mark.fault("a program that starts servers (demo, soak, benchmark, tests) is killed")
def test_killed() -> None:
    """SIGKILL of the script ends the server, too."""
    with start() as process:
        (server,) = wait_until(lambda: children(process.pid), "the server")
        process.kill()
        process.communicate(timeout=PATIENCE_S)
    wait_until(lambda: not is_running(server), "the end of the server")


def test_a_server_that_cannot_start() -> None:
    """One line says why, and the exit status is 1."""
    with start(SERVE_MODLE="threaded") as process:
        _, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 1
    assert re.fullmatch(r"demo-blocking: .*SERVE_MODLE.*\n", err)


def test_without_epoll() -> None:
    """Where `evented` cannot run a line says so, and that is no failure."""
    with start("-c", EVENTED_WITHOUT_EPOLL) as process:
        out, err = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, err) == (0, "")
    assert out.endswith("\n  Left out: it needs epoll, which this system does not have.\n")


def test_a_reader_who_leaves() -> None:
    """A closed output pipe ends it quietly."""
    with start() as process:
        assert process.stdout
        process.stdout.close()
        assert process.stderr
        assert (process.wait(PATIENCE_S), process.stderr.read()) == (141, "")


def test_a_chart_shows_what_was_measured() -> None:
    """Twenty columns are a second: empty before the arrival, then waiting, then being served."""
    assert drawn((0.01, 0.02, 0.52, 2, 2), (0.22, 0.53, 1.03, 2, 3)) == [
        "  caller 1  ##########                                            waited 0.0 s",
        "  caller 2      ......##########                                  waited 0.3 s",
        "            0 s                 1 s",
        "  Threads in the server: 2 without callers, 3 with them.",
    ]


def test_a_chart_of_slow_callers_fits() -> None:
    """Where the callers took longer a column is more time; nothing is said of unknown threads."""
    *lines, axis = drawn((0.0, 0.0, 5.0, 0, 0), (0.2, 5.0, 10.4, 0, 0))
    assert [line.count("#") for line in lines] == [25, 27]
    assert lines[1].count(".") == 25  # one of them in the seconds
    assert axis.split() == " ".join(f"{n} s" for n in range(11)).split()
    assert max(map(len, [*lines, axis])) <= 80


@pytest.mark.parametrize(("encoding", "ink"), [("UTF-8", ".█"), ("utf-8", ".█"), ("ascii", ".#")])
def test_ink(encoding: str, ink: str) -> None:
    """Blocks are drawn only where they can be printed."""
    assert demo()["ink_for"](encoding) == ink

"""What the tests rely on: no process outlives a test, and a flood stays in a network of its own."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from children import children, nothing_left, running
from server_process import is_running, wait_until

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


def test_a_process_that_is_left_is_killed_and_named() -> None:
    """A program that a block leaves running is an error, and has ended."""
    with pytest.raises(AssertionError, match=r"still running: .*python"), nothing_left():
        process = subprocess.Popen(SLEEP)
    process.poll()
    assert not is_running(process.pid)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has subreapers")
def test_an_orphan_that_is_left_is_killed_too() -> None:
    """A grandchild whose parent has ended is found."""
    program = f"import subprocess; print(subprocess.Popen({SLEEP}, stdout=-3).pid)"
    with pytest.raises(AssertionError, match="still running"), nothing_left():
        pid = int(subprocess.check_output([sys.executable, "-c", program]))
    assert not is_running(pid)


def test_a_program_ends_with_its_block() -> None:
    """A program ends with the block that runs it, and so does what it started."""
    program = f"import subprocess; subprocess.run({SLEEP})"
    with running([sys.executable, "-c", program]) as process:
        (child,) = wait_until(lambda: children(process.pid), "the child")
    assert process.returncode is not None
    wait_until(lambda: not is_running(child), "the end of the child")


def test_a_network_of_its_own_is_loopback(own_network: bool) -> None:
    """Nothing but loopback is there, and it works."""
    if not own_network:
        pytest.skip("a network namespace takes CAP_SYS_ADMIN")
    devices = Path("/proc/thread-self/net/dev").read_text().splitlines()[2:]
    assert [each.split(":")[0].strip() for each in devices] == ["lo"]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        socket.create_connection(listener.getsockname(), 20).close()

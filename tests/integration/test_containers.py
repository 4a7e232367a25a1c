"""What the containers are, asserted from inside, and how they stop."""

import json
import subprocess
import time

import pytest

from children import running
from server_process import wait_until
from stack import IMAGES, SERVERS, Stack, output, run

# Time for containers to come and, even after a failure, to go.
pytestmark = pytest.mark.timeout(300)

STATUS = """
for line in open("/proc/self/status"):
    name, value = line.split(":", 1)
    if name in ("Uid", "Gid", "CapEff", "CapBnd", "NoNewPrivs", "Seccomp"):
        print(name, value.split()[0])
"""

WRITE = """
import os
for folder, _, _ in os.walk("/"):
    if not folder.startswith(("/proc", "/sys")):
        try:
            open(folder + "/written", "w")
        except OSError:
            pass
        else:
            print(folder)
"""

EXECUTABLES = """
import os
for folder, _, files in os.walk("/"):
    for file in files:
        path = os.path.join(folder, file)
        if not path.startswith(("/proc", "/sys", "/dev")) and os.access(path, os.X_OK):
            if open(path, "rb").read(4) and ".so" not in file and not os.path.islink(path):
                print(path)
"""

SOURCES = """
import os
for file in sorted(os.listdir("/app/runtime")):
    if file.endswith(".py"):
        print(file, hash(open("/app/runtime/" + file).read()))
"""


TALK = """
import socket
with socket.create_connection(("echo", 1201), 30) as caller:
    caller.sendall(b"x" * 1000)
    print("talking", flush=True)
    while data := caller.recv(1000):
        caller.sendall(data)
"""


@pytest.mark.fault("which user is it?")
@pytest.mark.parametrize("service", SERVERS)
def test_a_server_has_no_privileges(stack: Stack, service: str) -> None:
    """Not root, no capability, none to be gained, system calls filtered."""
    assert dict(line.split() for line in stack.python(service, STATUS).splitlines()) == {
        "Uid": "10001",
        "Gid": "10001",
        "CapEff": "0000000000000000",
        "CapBnd": "0000000000000000",
        "NoNewPrivs": "1",
        "Seccomp": "2",
    }


@pytest.mark.fault("where can it write?")
@pytest.mark.parametrize("service", SERVERS)
def test_a_server_can_write_nowhere(stack: Stack, service: str) -> None:
    """The root is read-only, and there is no other place."""
    assert stack.python(service, WRITE) == ""


@pytest.mark.fault("what can it run?")
@pytest.mark.parametrize("service", SERVERS)
def test_a_service_image_has_no_shell(stack: Stack, service: str) -> None:
    """The interpreter is the one program in the image; docker-init comes from the engine."""
    programs = {path.rpartition("/")[2] for path in stack.python(service, EXECUTABLES).split()}
    assert programs == {"docker-init", "python3.13"}
    assert stack.execute(service, "sh", "-c", "true").returncode != 0


def test_both_images_hold_the_same_runtime(stack: Stack) -> None:
    """Shared code is copied, and the copies are the same."""
    env = ["-e", "PYTHONHASHSEED=0"]
    copies = {
        output("docker", "exec", *env, stack.container(name), "python3.13", "-c", SOURCES)
        for name in SERVERS
    }
    assert len(copies) == 1


@pytest.mark.parametrize("image", IMAGES)
def test_a_service_image_is_small(image: str) -> None:
    """Service images are at most 20 MB unpacked."""
    (facts,) = json.loads(output("docker", "image", "inspect", image))
    assert facts["Size"] <= 20_000_000
    assert facts["Config"]["User"] == "10001:10001"
    labels = {key.rpartition(".")[2] for key in facts["Config"]["Labels"]}
    assert labels >= {"title", "version", "revision", "source"}


@pytest.mark.parametrize("service", SERVERS)
def test_what_is_imported_late_is_there(stack: Stack, service: str) -> None:
    """The trimmed standard library still has what is imported only when it is needed."""
    late = "import encodings.idna, runtime.workers.supervisor, traceback" + (
        ", zoneinfo" if service == "daytime" else ""
    )
    stack.python(service, late)
    result = stack.execute(service, "python3.13", "-c", "raise ValueError('shown')")
    assert "ValueError: shown" in result.stderr


def test_every_zone_is_there(stack: Stack) -> None:
    """Daytime's image has the time zone database, and says so when a zone is not in it."""
    printed = output("docker", "run", "--rm", IMAGES[0], "--help")
    assert "--timezone" in printed
    code = "import zoneinfo; print(len(zoneinfo.available_timezones()))"
    assert int(stack.python("daytime", code)) > 400
    result = run("docker", "run", "--rm", "-e", "TZ=Mars/Olympus", IMAGES[0])
    assert result.returncode == 2
    assert result.stderr.startswith("daytime: TZ Mars/Olympus: must be a zone of the IANA")
    for zone in ("CET-1CEST,M3.5.0,M10.5.0/3", ":Asia/Tokyo"):
        line = output("docker", "run", "--rm", "-e", f"TZ={zone}", IMAGES[0], "--version")
        assert line.startswith("daytime ")


@pytest.mark.fault("`docker stop` beside a busy client")
def test_stop_lets_a_busy_caller_go_on_until_the_deadline(stack: Stack) -> None:
    """`stop` with a caller who never ends is an orderly end: status 0, not 137."""
    command = ["docker", "exec", stack.container("client"), "python3.13", "-c", TALK]
    with running(command, stdout=subprocess.PIPE, text=True) as talker:
        assert talker.stdout
        assert talker.stdout.readline() == "talking\n"
        container = stack.container("echo")
        stack.compose("stop", "echo")
        (facts,) = json.loads(output("docker", "inspect", container))
        last = [json.loads(line) for line in output("docker", "logs", container).splitlines()][-2:]
    stack.up()
    assert facts["State"]["ExitCode"] == 0
    assert [line["event"] for line in last] == ["connection", "stopped"]
    assert last[0]["ended"] == "drained"


@pytest.mark.fault("process 1 without an init")
@pytest.mark.parametrize("image", IMAGES)
def test_it_works_as_process_1(image: str) -> None:
    """Without an init, the server itself is process 1 and still ends in order, at once."""
    container = output("docker", "run", "-d", "--network", "none", image).strip()
    try:
        wait_until(lambda: "ready" in output("docker", "logs", container), "the ready line")
        began = time.monotonic()
        output("docker", "stop", "-t", "15", container)
        assert time.monotonic() - began < 10
        assert output("docker", "inspect", "-f", "{{.State.ExitCode}}", container) == "0\n"
    finally:
        output("docker", "rm", "-f", container)

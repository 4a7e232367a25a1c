"""Two network namespaces with a link between them, for a thread or a child process to enter."""

import ctypes
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import TypeVar

import pytest

from own_network import CLONE_NEWNET
from server_process import PATIENCE_S

# Says that the namespace is there, then holds it until its stdin ends.
HOLDER = ["unshare", "--net", "sh", "-c", "echo; exec cat"]

T = TypeVar("T")


class Namespace:
    """A network namespace, which lives as long as the process that holds it."""

    def __init__(self, holder: int) -> None:
        self.holder = holder

    def enter(self) -> None:
        """Move the calling thread into the namespace."""
        libc = ctypes.CDLL(None, use_errno=True)
        descriptor = os.open(f"/proc/{self.holder}/ns/net", os.O_RDONLY)
        assert libc.setns(descriptor, CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
        os.close(descriptor)

    def run(self, work: Callable[[], T]) -> T:
        """Do some work in the namespace, in a thread that ends with it; return its result."""
        with ThreadPoolExecutor(1, initializer=self.enter) as thread:
            return thread.submit(work).result()

    def ip(self, arguments: str) -> None:
        """Run ip(8) in the namespace."""
        command = ["nsenter", f"--net=/proc/{self.holder}/ns/net", "ip", *arguments.split()]
        subprocess.run(command, check=True, timeout=PATIENCE_S)


@contextmanager
def linked() -> Iterator[tuple[Namespace, Namespace]]:
    """Two namespaces, 10.77.0.1/16 and 10.77.0.2/16 on one link; skips if there can be none."""
    if os.geteuid() or not all(map(shutil.which, ("ip", "nsenter", "unshare"))):
        pytest.skip("network namespaces need root, iproute2 and util-linux")
    with ExitStack() as stack:
        first, second = (stack.enter_context(_namespace()) for _ in range(2))
        first.ip(f"link add link0 type veth peer name link0 netns {second.holder}")
        for number, each in enumerate((first, second), 1):
            each.ip(f"address add 10.77.0.{number}/16 dev link0")
            each.ip("link set link0 up")
            each.ip("link set lo up")
        yield first, second


@contextmanager
def _namespace() -> Iterator[Namespace]:
    pipe = subprocess.PIPE
    with subprocess.Popen(HOLDER, stdin=pipe, stdout=pipe, stderr=pipe) as holder:
        assert holder.stdin
        assert holder.stdout
        if not holder.stdout.readline():
            pytest.skip("this container may not make network namespaces")
        yield Namespace(holder.pid)
        holder.stdin.close()

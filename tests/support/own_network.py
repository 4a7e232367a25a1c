"""A network of a test's own: floods on the host's loopback fill the host's connection tracker.

The tracker may also refuse a datagram (EPERM), and other programs use the ports of the host.
"""

import ctypes
import fcntl
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Of unshare(2) and netdevice(7); Python has names for the first only since 3.12.
CLONE_NEWNET = 0x40000000
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1
REQUEST = "16sh14x"


@contextmanager
def own_network() -> Iterator[bool]:
    """Move this thread, and what it starts, to a network namespace with a loopback device.

    Yields False, and stays in the host's network, where that takes a privilege that is missing.
    """
    if not hasattr(libc := ctypes.CDLL(None), "unshare"):  # not Linux
        yield False
        return
    with Path("/proc/thread-self/ns/net").open() as host:
        is_own = libc.unshare(CLONE_NEWNET) == 0
        if is_own:
            bring_up("lo")
        try:
            yield is_own
        finally:
            assert not is_own or libc.setns(host.fileno(), CLONE_NEWNET) == 0


def bring_up(device: str) -> None:
    """Do what `ip link set DEVICE up` does, without a program that may not be installed."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        found = fcntl.ioctl(asking, SIOCGIFFLAGS, struct.pack(REQUEST, device.encode(), 0))
        name, flags = struct.unpack(REQUEST, found)
        fcntl.ioctl(asking, SIOCSIFFLAGS, struct.pack(REQUEST, name, flags | IFF_UP))

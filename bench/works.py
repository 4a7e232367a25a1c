"""What is measured: each work with its load, and the servers that do it."""

from collections.abc import Sequence
from typing import NamedTuple

OURS = ("evented", "threaded", "iterative")

TITLES = {
    "evented": "**ours, evented**",
    "threaded": "ours, threaded",
    "iterative": "ours, iterative",
    "go": "Go, a goroutine each",
    "go-copy": "Go, io.Copy",
    "c": "C",
    "uvloop": "uvloop",
    "asyncio": "asyncio",
    "socketserver": "socketserver, a thread each",
}

# The Go peer's buffer: that of many a textbook, and for messages that do not fit one that spares
# Go the reads which no other server here makes.
SMALL_BUFFER, LARGE_BUFFER = 512, 256 * 1024

# Connections that a server of daytime gets in a round. Whoever tracks connections keeps each for
# two minutes, and when its table is full, new ones are lost without a word.
SHORT_CONNECTIONS = 3000


class Work(NamedTuple):
    """A load, and who is put under it. A mode is one of load.c, or idle, which only connects."""

    name: str
    title: str
    mode: str
    connections: int
    size: int
    servers: tuple[str, ...]
    flags: tuple[str, ...] = ()  # for ours alone

    @property
    def service(self) -> str:
        """What the servers serve: echo, daytime, or udp, which is echo over UDP."""
        return self.mode if self.mode in ("daytime", "udp") else "echo"

    @property
    def go_buffer(self) -> int:
        """Bytes of the Go peer's buffer."""
        return SMALL_BUFFER if self.mode != "bulk" and self.size <= SMALL_BUFFER else LARGE_BUFFER

    def server_title(self, server: str) -> str:
        """What a row calls a server; Go's says its buffer."""
        if server == "go" and self.service == "echo":
            size = self.go_buffer
            return f"Go, {size >> 10} KiB buffer" if size >> 10 else f"Go, {size} B buffer"
        return TITLES[server]


def _without(*names: str) -> tuple[str, ...]:
    return tuple(name for name in TITLES if name not in names)


# One caller at a time cannot serve callers who all wait for each other.
CONCURRENT = _without("iterative")
CURVES = ("evented", "go", "c", "uvloop")
LADDER = [
    Work(f"connections-{n}", f"echo of 64 B, {n:,} connections", "echo", n, 64, CURVES)
    for n in (1, 8, 64, 512, 2000, 8000)
]
WORKS = [
    Work("echo-64x64", "echo, 64 connections × 64 B", "echo", 64, 64, CONCURRENT),
    Work("echo-1000x512", "echo, 1,000 connections × 512 B", "echo", 1000, 512, CONCURRENT),
    Work("echo-64x16k", "echo, 64 connections × 16 KiB", "echo", 64, 1 << 14, CONCURRENT),
    Work("echo-16x64k", "echo, 16 connections × 64 KiB", "echo", 16, 1 << 16, CONCURRENT),
    Work("daytime", "daytime, 16 connections at a time", "daytime", 16, 64, _without("go-copy")),
    Work("udp", "echo over UDP, 64 sockets × 64 B", "udp", 64, 64, _without("go-copy")),
    Work("idle", "echo, idle connections", "idle", 8000, 64, _without(*OURS[1:], "socketserver")),
    Work("bulk", "echo, one connection as fast as it goes", "bulk", 1, 64, tuple(TITLES)),
    *LADDER,
]
BY_NAME = {work.name: work for work in WORKS}

# What a minute has room for.
QUICK_WORKS = ("echo-64x64", "echo-64x16k", "daytime", "idle")
QUICK_SERVERS = ("evented", "go", "c", "uvloop")
QUICK_IDLE = 2000


def quick(work: Work, servers: Sequence[str]) -> Work:
    """A work for some servers only, and with fewer idle connections."""
    some = tuple(name for name in servers if name in work.servers)
    fewer = min(work.connections, QUICK_IDLE) if work.mode == "idle" else work.connections
    return work._replace(servers=some, connections=fewer)

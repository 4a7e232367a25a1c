"""What is measured: each work with its load, and the servers that do it."""

from typing import NamedTuple

OURS = ("evented", "threaded", "iterative")

# The Go peer's buffer: that of the textbook's server, and for more than fits in it one that
# spares Go the reads which no other server here would make.
SMALL_BUFFER, LARGE_BUFFER = 512, 256 * 1024

TITLES = {
    "evented": "**ours, evented**",
    "threaded": "ours, threaded",
    "iterative": "ours, iterative",
    "go": "Go, goroutine per connection",
    "go-copy": "Go, io.Copy",
    "c": "C, epoll",
    "uvloop": "uvloop",
    "asyncio": "asyncio",
    "socketserver": "socketserver, threads",
}

CONCURRENT = tuple(name for name in TITLES if name != "iterative")
EVERYONE_BUT_COPY = tuple(name for name in TITLES if name != "go-copy")
LOOPS = ("evented", "go", "go-copy", "c", "uvloop", "asyncio")

# Connections of the short-lived kind for one server and round: whoever tracks connections keeps
# each for two minutes, and with a full table loses new ones silently.
SHORT_CONNECTIONS = 4000

MANY = 8000


class Work(NamedTuple):
    """A load, in the words of load.c, and who is put under it."""

    name: str
    title: str
    mode: str
    connections: int
    size: int
    servers: tuple[str, ...]

    @property
    def service(self) -> str:
        """What the server is: echo, daytime, or udp for echo over UDP."""
        return self.mode if self.mode in ("daytime", "udp") else "echo"

    @property
    def buffer(self) -> int:
        """Bytes of the Go peer's buffer."""
        return SMALL_BUFFER if self.mode != "bulk" and self.size <= SMALL_BUFFER else LARGE_BUFFER


LADDER = [
    Work(f"connections-{n}", f"{n} connections", "echo", n, 64, ("evented", "go", "c", "uvloop"))
    for n in (1, 8, 64, 512, 2000, MANY)
]
WORKS = [
    Work("echo-64x64", "echo, 64 connections × 64 B", "echo", 64, 64, CONCURRENT),
    Work("echo-1000x512", "echo, 1,000 connections × 512 B", "echo", 1000, 512, CONCURRENT),
    Work("echo-64x16k", "echo, 64 connections × 16 KiB", "echo", 64, 1 << 14, CONCURRENT),
    Work("echo-16x64k", "echo, 16 connections × 64 KiB", "echo", 16, 1 << 16, CONCURRENT),
    Work("bulk", "echo, one connection as fast as it goes", "bulk", 1, 64, tuple(TITLES)),
    Work("daytime", "daytime, 16 connections at a time", "daytime", 16, 64, EVERYONE_BUT_COPY),
    Work(
        "udp",
        "echo over UDP, 64 sockets × 64 B",
        "udp",
        64,
        64,
        ("evented", "go", "c", "uvloop", "asyncio", "socketserver"),
    ),
    Work("idle", "idle connections", "idle", MANY, 64, LOOPS),
    *LADDER,
]

"""Who calls: each kind of caller a short coroutine, and tables of how often each comes."""

import asyncio
import re
import socket
import struct
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import pairwise
from random import Random

from server_process import ServerProcess

HOST = "127.0.0.1"
LINE = re.compile(rb"[A-Z][a-z]{2} [A-Z][a-z]{2} [ 123]\d [\d:]{8} UTC \d{4}\r\n")
PIECE_BYTES = 64 * 1024
LARGEST_DATAGRAM_BYTES = 65_507

# Of a socket whose owner is slow to read, so that it soon holds up the server.
SMALL_BUFFER_BYTES = 4096

# A full receive buffer drops datagrams, which is no fault; the sums at the end account for all.
DATAGRAM_TRIES = 3

# Datagrams a second that the servers answer to one source: few, so that a flood need not be big.
UDP_RATE = 100


class Wrong(Exception):
    """A server did what it must not: one line."""


class Call:
    """What one caller has: randomness of its own, and sockets whose use is counted."""

    def __init__(self, service: str, process: ServerProcess, random: Random) -> None:
        self.service, self.process, self.random = service, process, random
        self.loop = asyncio.get_running_loop()
        self.made: Counter[str] = Counter()  # connections, bytes and datagrams, to the service

    async def connect(self, receive_buffer: int = 0) -> socket.socket:
        """A connection to the service."""
        connection = await self._connect(self.process.port, receive_buffer)
        self.made["connections"] += 1
        return connection

    async def ask_admin(self, request: bytes) -> bytes:
        """The whole answer to a request to the admin port."""
        with await self._connect(self.process.admin_port) as connection:
            await self.loop.sock_sendall(connection, request)
            return await self.receive_all(connection)

    async def _connect(self, port: int, receive_buffer: int = 0) -> socket.socket:
        connection = socket.socket()
        try:
            connection.setblocking(False)
            if receive_buffer:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            await self.loop.sock_connect(connection, (HOST, port))
        except BaseException:
            connection.close()
            raise
        return connection

    async def send(self, connection: socket.socket, data: bytes, flags: int = 0) -> None:
        """Send to the service, and count it as soon as some of it may have arrived."""
        self.made["bytes"] += len(data)
        if flags:
            connection.send(data, flags)
        else:
            await self.loop.sock_sendall(connection, data)

    async def exchange(self, connection: socket.socket, data: bytes, *, slowly: bool) -> None:
        """Send and receive at the same time: echo reads no further from who does not read."""
        async with asyncio.TaskGroup() as both:
            both.create_task(self._send_in_pieces(connection, data))
            both.create_task(self.expect(connection, data, slowly=slowly))

    async def _send_in_pieces(self, connection: socket.socket, data: bytes) -> None:
        cuts = {0, len(data), *(self.random.randint(0, len(data)) for _ in range(6))}
        for start, end in pairwise(sorted(cuts)):
            await self.send(connection, data[start:end])
            await asyncio.sleep(self.random.choice([0, 0, 0.05]))
        connection.shutdown(socket.SHUT_WR)

    async def expect(self, connection: socket.socket, data: bytes, *, slowly: bool = False) -> None:
        """Receive the data and the end."""
        at = 0
        while received := await self.receive(connection, 1000 if slowly else PIECE_BYTES):
            if received != data[at : at + len(received)]:
                raise Wrong(f"other bytes than were sent, after {at} of {len(data)}")
            at += len(received)
            await asyncio.sleep(0.005 if slowly else 0)
        if at < len(data):
            raise Wrong(f"the end after {at} bytes of {len(data)}")

    async def receive(self, connection: socket.socket, most: int = PIECE_BYTES) -> bytes:
        """At least a byte, or nothing at the end."""
        return await self.loop.sock_recv(connection, most)

    async def receive_all(self, connection: socket.socket) -> bytes:
        """Everything until the end."""
        received = b""
        while more := await self.receive(connection):
            received += more
        return received

    def datagrams(self, source: tuple[str, int] = ("", 0)) -> socket.socket:
        """A socket that hears only the service."""
        asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        asking.setblocking(False)
        asking.bind(source)
        asking.connect((HOST, self.process.port))
        return asking

    def send_datagram(self, asking: socket.socket, data: bytes) -> None:
        """Send one datagram, which on loopback never has to wait."""
        self.made["datagrams"] += 1
        asking.send(data)

    async def has_answer(self, asking: socket.socket, data: bytes, within_s: float) -> bool:
        """Whether there is an answer to this datagram; any other is wrong."""
        try:
            async with asyncio.timeout(within_s):
                answer = await self.receive(asking, LARGEST_DATAGRAM_BYTES + 1)
        except TimeoutError:
            return False
        if answer != data if self.service == "echo" else not LINE.fullmatch(answer):
            raise Wrong(f"{len(answer)} other bytes than the answer to a datagram of {len(data)}")
        return True

    def other_source(self, port: int = 0) -> tuple[str, int]:
        """An address of loopback that is not that of the good callers."""
        return f"127.{self.random.randint(1, 254)}.{self.random.randint(0, 255)}.1", port


def close_by_reset(connection: socket.socket) -> None:
    """Have the close, whenever it comes, send a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def stream(call: Call) -> None:
    """E1, E3: random data, from a byte to 4 MiB, comes back whole after the half-close."""
    data = call.random.randbytes(int(2 ** call.random.uniform(0, 22)))
    with await call.connect() as connection:
        await call.exchange(connection, data, slowly=False)


async def ping_pong(call: Call) -> None:
    """E1: many small messages on one connection, each sent when the one before is back."""
    with await call.connect() as connection:
        for _ in range(call.random.randint(1, 500)):
            left = call.random.randbytes(call.random.randint(1, 1000))
            await call.send(connection, left)
            while left:
                received = await call.receive(connection)
                if not received or not left.startswith(received):
                    raise Wrong("the end, or other bytes than were sent")
                left = left.removeprefix(received)
            await asyncio.sleep(call.random.uniform(0, 0.01))


async def line(call: Call) -> None:
    """D1, D4: one line with the time, and then the end."""
    with await call.connect() as connection:
        await expect_line(call, connection)


async def expect_line(call: Call, connection: socket.socket) -> None:
    """Check all that daytime says."""
    received = await call.receive_all(connection)
    if not LINE.fullmatch(received):
        raise Wrong(f"no line with the time: {received[:80]!r}")


async def datagram(call: Call) -> None:
    """E5, D3: a datagram of any size is answered."""
    data = call.random.randbytes(int(call.random.random() ** 3 * (LARGEST_DATAGRAM_BYTES + 1)))
    for _ in range(DATAGRAM_TRIES):
        with call.datagrams() as asking:
            call.send_datagram(asking, data)
            if await call.has_answer(asking, data, 1.0):
                return
    raise Wrong(f"no answer to {DATAGRAM_TRIES} datagrams of {len(data)} bytes")


async def admin_page(call: Call) -> None:
    """Whatever the callers do, the server says that it is alive and ready, and counts."""
    page = call.random.choice([b"/livez", b"/readyz", b"/metrics"])
    await expect_status(call, b"GET %b HTTP/1.0\r\n\r\n" % page, [b"200"])


async def expect_status(call: Call, request: bytes, status: list[bytes]) -> None:
    """Check how the admin port answers a request: with a status, or not at all."""
    response = await call.ask_admin(request)
    if response.split()[1:2] != status:
        raise Wrong(f"{response[:80]!r} to {request[:20]!r}")


async def reset_midway(call: Call) -> None:
    """Resets while bytes are on their way, in both directions perhaps."""
    with await call.connect() as connection, suppress(ConnectionError):
        close_by_reset(connection)
        await call.send(connection, call.random.randbytes(call.random.randint(0, 30_000)))
        await asyncio.sleep(call.random.choice([0, 0.01]))


async def come_and_go(call: Call) -> None:
    """Closes as soon as it is connected."""
    (await call.connect()).close()


async def feeder(call: Call) -> None:
    """Sends, never reads, and then resets, or goes on until the server has let go of it."""
    stay_s = call.random.choice([call.random.uniform(0, 2), None])
    with await call.connect(SMALL_BUFFER_BYTES) as connection, suppress(ConnectionError):
        close_by_reset(connection)
        try:
            async with asyncio.timeout(stay_s):
                while True:
                    await call.send(connection, bytes(PIECE_BYTES))
                    await asyncio.sleep(0.01)
        except TimeoutError:
            return


async def silent(call: Call) -> None:
    """Says nothing, and is let go."""
    with await call.connect() as connection:
        await call.expect(connection, b"")


async def slow_reader(call: Call) -> None:
    """E4: holds up the server by reading slowly, and yet gets every byte."""
    data = call.random.randbytes(call.random.randint(1, 200_000))
    with await call.connect(SMALL_BUFFER_BYTES) as connection:
        await call.exchange(connection, data, slowly=True)


async def urgent(call: Call) -> None:
    """E1: urgent bytes are bytes of the stream."""
    pieces = [call.random.randbytes(call.random.randint(1, 1000)) for _ in range(10)]
    with await call.connect() as connection:
        for piece in pieces:
            await call.send(connection, piece[:-1])
            await call.send(connection, piece[-1:], socket.MSG_OOB)
        connection.shutdown(socket.SHUT_WR)
        await call.expect(connection, b"".join(pieces))


async def talker(call: Call) -> None:
    """D2: sends a lot before it reads, and yet gets the line and a clean end."""
    with await call.connect() as connection:
        await call.send(connection, bytes(call.random.randint(1, 200_000)))
        await expect_line(call, connection)


async def clinger(call: Call) -> None:
    """D2: never closes, sends a byte now and then, and is let go."""
    with await call.connect() as connection, suppress(ConnectionError):
        while True:
            await call.send(connection, b"x")
            await asyncio.sleep(0.1)


async def gone_sender(call: Call) -> None:
    """Has left before its answer comes, which then goes to nobody."""
    with call.datagrams() as asking:
        call.send_datagram(asking, bytes(call.random.randint(0, 1000)))


async def refused_source(call: Call) -> None:
    """S1: comes from a port of these services, and hears nothing."""
    with call.datagrams(call.other_source(call.random.choice([1200, 1201]))) as asking:
        call.send_datagram(asking, b"x")
        if await call.has_answer(asking, b"x", 0.2):
            raise Wrong("an answer to a refused source port")


async def flood(call: Call) -> None:
    """S1: sends half as much again as its bucket holds, and hears no more than that."""
    with call.datagrams(call.other_source()) as asking:
        began, answers = time.monotonic(), 0
        for _ in range(UDP_RATE * 3 // 2):
            call.send_datagram(asking, b"flood")
        while await call.has_answer(asking, b"flood", 0.2):
            answers += 1
    if answers > UDP_RATE * (1 + time.monotonic() - began):
        raise Wrong(f"{answers} answers at a rate of {UDP_RATE} a second")


async def admin_abuse(call: Call) -> None:
    """Sends the admin port garbage, a head without end, or half of one and then nothing."""
    garbage = b"\0" + call.random.randbytes(call.random.randint(0, 2000)) + b"\r\n\r\n"
    giant, half = b"GET /" + bytes(100_000), b"GET /livez HT"
    cases = [(garbage, [b"400"]), (giant, [b"431"]), (half, [])]
    await expect_status(call, *call.random.choice(cases))


Kind = Callable[[Call], Awaitable[None]]

# Who calls, by service, with weights. Of the good callers every byte arrives, and all end in order.
GOOD: dict[str, dict[Kind, int]] = {
    "echo": {stream: 40, ping_pong: 10, datagram: 15, admin_page: 5},
    "daytime": {line: 50, datagram: 15, admin_page: 5},
}
# These have rights too, an end to see or bytes to get, and are held to them.
TO_BOTH: dict[Kind, int] = {reset_midway: 10, come_and_go: 10, feeder: 3}
TO_BOTH |= {gone_sender: 5, refused_source: 4, flood: 2, admin_abuse: 4}
HOSTILE: dict[str, dict[Kind, int]] = {
    "echo": {**TO_BOTH, silent: 3, slow_reader: 5, urgent: 5},
    "daytime": {**TO_BOTH, talker: 10, clinger: 3},
}

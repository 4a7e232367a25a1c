"""What a server has counted since it began, consistent at every moment."""

import threading
from collections import Counter, OrderedDict
from errno import errorcode
from typing import Any

from runtime.connection import Connection, Ending
from runtime.listening import NOT_NOW

# Why a datagram is not answered.
DROP_REASONS = (
    *("source_port", "source_address"),  # it may be another such service, or nobody
    *("rate", "total_rate"),  # too many, from one source or from all
    "not_unicast",  # it was sent to many
    "send_buffer",  # no room: other answers wait for their neighbours to resolve (ARP), say
    "not_sent",  # no route, too big for the path
)

# Why a caller could not be accepted.
ACCEPT_ERRORS = sorted(errorcode[number] for number in NOT_NOW)

# All numbers, always in the same order; by name, an ending by itself.
Counts = dict[Any, int]


class Tally:
    """The open connections, and the sums of those that have ended.

    Bytes are counted where they move: in the connection, and for datagrams here. A byte counts
    once, and no sum ever falls: an ended connection moves from one place to the other at once.
    A worker is given `cells`, a memoryview of as many 64-bit numbers as there are counts: it goes
    on from what is in them, and publishes there.
    """

    def __init__(self, cells: "memoryview[int] | None" = None) -> None:
        self.lock = threading.Lock()
        self.open: dict[int, Any] = {}  # by descriptor
        # Those that may make room for new ones, the oldest first. Not a dict, which takes ever
        # longer to find its first item as items before it are removed.
        self.lingering: OrderedDict[int, Any] = OrderedDict()
        self.connections = 0
        self.endings = Counter(dict.fromkeys(Ending, 0))
        self.accept_errors = Counter(dict.fromkeys(ACCEPT_ERRORS, 0))
        self.datagrams_received = self.datagrams_sent = 0
        self.datagram_bytes_received = self.datagram_bytes_sent = 0
        self.drops = Counter(dict.fromkeys(DROP_REASONS, 0))
        self._received = self._sent = 0
        self._cells = cells
        self._before = cells.tolist() if cells else []

    def opened(self, connection: Connection) -> None:
        """Count a connection that was accepted."""
        with self.lock:
            self.open[connection.socket.fileno()] = connection
            self.connections += 1

    def lingers(self, connection: Connection) -> None:
        """Note that a connection may be closed to make room for a new one."""
        with self.lock:
            self.lingering[connection.socket.fileno()] = connection

    def ended(self, connection: Connection, ending: Ending) -> None:
        """Count a connection that is about to be closed: its descriptor is still its own."""
        with self.lock:
            del self.open[connection.socket.fileno()]
            self.lingering.pop(connection.socket.fileno(), None)
            self.endings[ending] += 1
            self._received += connection.received
            self._sent += connection.sent

    def moved_datagrams(self, received: int, in_bytes: int, sent: int, out_bytes: int) -> None:
        """Count the datagrams of a turn."""
        self.datagrams_received += received
        self.datagram_bytes_received += in_bytes
        self.datagrams_sent += sent
        self.datagram_bytes_sent += out_bytes

    def counts(self) -> Counts:
        """All numbers, bytes over ended and open connections included."""
        with self.lock:
            connections = list(self.open.values())
            counts: Counts = {
                "connections": self.connections,
                "open": len(connections),
                "received": self._received,
                "sent": self._sent,
                "datagrams_received": self.datagrams_received,
                "datagrams_sent": self.datagrams_sent,
                "datagram_bytes_received": self.datagram_bytes_received,
                "datagram_bytes_sent": self.datagram_bytes_sent,
                **self.endings,
                **self.drops,
                **self.accept_errors,
            }
        # Without the lock, since every accept takes it. An ended connection keeps its own sums.
        counts["received"] += sum(each.received for each in connections)
        counts["sent"] += sum(each.sent for each in connections)
        return counts

    def publish(self) -> None:
        """Copy all numbers to the cells, if there are any: what the supervisor knows of them."""
        if self._cells:
            for index, count in enumerate(self.counts().values()):
                self._cells[index] = self._before[index] + count

"""The counters of a server, which are consistent at every moment."""

import threading
from collections import Counter, OrderedDict
from errno import errorcode
from typing import Any

from runtime.connection import CloseReason, Connection
from runtime.tcp import NOT_NOW

# Why a datagram is not answered.
DROP_REASONS = (
    *("source_port", "source_address"),  # it may be another such service, or no host
    *("rate", "total_rate"),  # too many, from one source or from all
    "not_unicast",  # it was sent to many
    "send_buffer",  # no room, for example while answers to other hosts wait for ARP
    "not_sent",  # no route, too big for the path
)

# Why a connection could not be accepted.
ACCEPT_ERRORS = sorted(errorcode[number] for number in NOT_NOW)

# All counters, always in the same order. The key is a name, or a CloseReason.
Counts = dict[Any, int]


class Counters:
    """The open connections, and the sums over the closed ones.

    The bytes of a connection are counted in the connection, those of datagrams here. No sum ever
    decreases: a connection moves from open to closed in one step. A worker passes `cells`, a
    memoryview of one 64-bit integer per counter. It continues from their values, and publishes
    its counters there.
    """

    def __init__(self, cells: "memoryview[int] | None" = None) -> None:
        self.lock = threading.Lock()
        self.open: dict[int, Any] = {}  # by descriptor
        # Connections that may make room for new ones, the oldest first. Not a dict: removed items
        # make the search for its first item ever longer.
        self.lingering: OrderedDict[int, Any] = OrderedDict()
        self.connections = 0
        self.close_reasons = Counter(dict.fromkeys(CloseReason, 0))
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

    def ended(self, connection: Connection, reason: CloseReason) -> None:
        """Count a connection that is about to be closed. Its descriptor must still be open."""
        with self.lock:
            del self.open[connection.socket.fileno()]
            self.lingering.pop(connection.socket.fileno(), None)
            self.close_reasons[reason] += 1
            self._received += connection.received
            self._sent += connection.sent

    def moved_datagrams(self, received: int, in_bytes: int, sent: int, out_bytes: int) -> None:
        """Count the datagrams of one callback."""
        self.datagrams_received += received
        self.datagram_bytes_received += in_bytes
        self.datagrams_sent += sent
        self.datagram_bytes_sent += out_bytes

    def counts(self) -> Counts:
        """Return all counters. Bytes include those of open connections."""
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
                **self.close_reasons,
                **self.drops,
                **self.accept_errors,
            }
        # Without the lock, which every accept takes. A closed connection keeps its own sums.
        counts["received"] += sum(each.received for each in connections)
        counts["sent"] += sum(each.sent for each in connections)
        return counts

    def publish(self) -> None:
        """Copy all counters to the cells, if there are any, for the supervisor."""
        if self._cells:
            for index, count in enumerate(self.counts().values()):
                self._cells[index] = self._before[index] + count

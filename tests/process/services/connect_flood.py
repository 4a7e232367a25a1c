"""Connect again and again without a pause: `python connect_flood.py PORT CONNECTS SECONDS`."""

import socket
import struct
import sys
import time
from contextlib import suppress

RESET_AT_CLOSE = struct.pack("ii", 1, 0)  # struct linger of socket(7)
BATCH = 50

port, connects, seconds = map(int, sys.argv[1:])
until = time.monotonic() + seconds
for _ in range(connects // BATCH):
    if time.monotonic() > until:
        break
    batch = [socket.socket() for _ in range(BATCH)]
    for each in batch:
        each.setblocking(False)
        each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
        with suppress(OSError):
            each.connect(("127.0.0.1", port))
    for each in batch:
        each.close()

"""Hold one echo connection for some seconds: ten numbered lines a second, each to come back.

Runs in the client pod. Exit status 0 if all came back and the end was orderly.
"""

import socket
import sys
import time

end = time.monotonic() + float(sys.argv[1])
number = 0
with socket.create_connection(("echo", 1201), 10) as connection:
    reader = connection.makefile("rb")
    print("connected", flush=True)
    while time.monotonic() < end:
        line = b"%d\n" % number
        connection.sendall(line)
        if (answer := reader.readline()) != line:
            sys.exit(f"line {number} came back as {answer!r}")
        number += 1
        time.sleep(0.1)
    connection.shutdown(socket.SHUT_WR)
    if rest := reader.read():
        sys.exit(f"{len(rest)} bytes too many")
print(number)

"""A server one of whose socket calls fails a few times: `python faulty.py` with flags.

The variable SERVICE names the service, echo if it is not set.

The variable FAULTS names a method of `socket.socket` and the errors, one for each call to come:
`_accept ENFILE ECONNABORTED` (`_accept` is what Python's own `accept` calls). `fork` is that of
`os`, `start` that of a thread. MEMORY is Python's own lack of memory, THREAD that of a thread.
"""

import errno
import os
import socket
import threading
from importlib import import_module
from typing import Any

main = import_module(f"{os.environ.get('SERVICE', 'echo')}.__main__").main

name, *errors = os.environ["FAULTS"].split()
owner: Any = {"fork": os, "start": threading.Thread}.get(name, socket.socket)
works = getattr(owner, name)


def fails_at_first(*arguments: Any) -> Any:
    """The method, once all errors have been raised."""
    if not errors:
        return works(*arguments)
    if (error := errors.pop(0)) == "MEMORY":
        raise MemoryError
    if error == "THREAD":
        raise RuntimeError("can't start new thread")
    number = getattr(errno, error)
    raise OSError(number, os.strerror(number))


setattr(owner, name, fails_at_first)
os._exit(main())

"""Socket options: those that a server needs, and those that it can do without.

Sandboxes such as gVisor, seccomp profiles and old kernels refuse some of them.
"""

import errno
import os
import socket
from collections.abc import Iterable

# Linux's numbers, for which Python has no names before 3.14.
_NUMBERS = {"IP_MTU_DISCOVER": 10, "IP_PKTINFO": 8}

Option = tuple[int, str, int | bytes]  # level, name, value
Refused = dict[str, str]  # by the option's name, why


class OptionRefused(OSError):
    """A socket option that the server needs and the system refuses."""

    def __init__(self, name: str, error: OSError) -> None:
        super().__init__(error.errno, error.strerror)
        self.name = name


def require(opened: socket.socket, level: int, name: str, value: int) -> None:
    """Set an option. Raises OptionRefused."""
    try:
        opened.setsockopt(level, number(name), value)
    except OSError as error:
        raise OptionRefused(name, error) from None


def apply(opened: socket.socket, options: Iterable[Option], refused: Refused) -> None:
    """Set those of the options that the system allows, and note the others in `refused`."""
    for level, name, value in options:
        try:
            opened.setsockopt(level, number(name), value)
        except OSError as error:
            refused[name] = reason(error)


def read(opened: socket.socket, level: int, name: str, size: int) -> bytes:
    """Return the first `size` bytes of an option. Raises OSError, also if the system has fewer."""
    value = opened.getsockopt(level, number(name), size)
    if len(value) < size:
        raise _not_known()
    return value


def number(name: str) -> int:
    """Return the number of an option. Raises OSError if this Python or system has none."""
    found = _NUMBERS.get(name) or getattr(socket, name, None)
    if found is None:
        raise _not_known()
    return int(found)


def reason(error: OSError) -> str:
    """Return what the system says of an error, in lower case as in the middle of a line."""
    return (error.strerror or str(error)).lower()


def _not_known() -> OSError:
    return OSError(errno.ENOPROTOOPT, os.strerror(errno.ENOPROTOOPT))

"""An echo server whose user has no epoll watch to spare: `python unwatched.py` with flags.

A watch that is given up goes to another process at once (max_user_watches, epoll(7)). With the
variable NONE there is none from the beginning.
"""

import errno
import os
import select
from typing import Any

from echo.__main__ import main

epoll = select.epoll


class Unwatched:
    """An epoll that registers nobody any more once it has given up a watch."""

    def __init__(self) -> None:
        self._epoll = epoll()
        self._given_up = "NONE" in os.environ

    def __enter__(self) -> "Unwatched":
        return self

    def __exit__(self, *_: object) -> None:
        self._epoll.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._epoll, name)

    def register(self, *arguments: Any) -> None:
        """Register, while that takes no watch from anybody."""
        if self._given_up:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._epoll.register(*arguments)

    def unregister(self, *arguments: Any) -> None:
        """Give up a watch."""
        self._epoll.unregister(*arguments)
        self._given_up = True


vars(select).update(epoll=Unwatched)
os._exit(main())

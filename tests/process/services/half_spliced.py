"""An echo server whose first splice fails half-way: `FAILS=... python half_spliced.py`.

With FAILS=memory there is none for the number of bytes that came, with FAILS=reset the caller has
gone when they are to go back.
"""

import errno
import os
import stat
from typing import Any

from echo.__main__ import main

splice = os.splice
fails = os.environ.pop("FAILS")
failed = False


def half_spliced(source: int, target: int, *arguments: Any, **options: Any) -> int:
    """Splice; the first time only half of the way."""
    global failed
    is_back = stat.S_ISSOCK(os.fstat(target).st_mode)
    if failed or is_back != (fails == "reset"):
        return splice(source, target, *arguments, **options)
    failed = True
    if is_back:
        raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
    splice(source, target, *arguments, **options)
    raise MemoryError


vars(os).update(splice=half_spliced)
os._exit(main())

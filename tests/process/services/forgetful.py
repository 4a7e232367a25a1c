"""An echo server without memory for the result of its first splice: `python forgetful.py`."""

import os
from typing import Any

from echo.__main__ import main

splice = os.splice
spliced = 0


def forgetful(*arguments: Any, **options: Any) -> int:
    """Splice; the first time with no memory for the number of bytes."""
    global spliced
    size = splice(*arguments, **options)
    spliced += 1
    if spliced == 1:
        raise MemoryError
    return size


vars(os).update(splice=forgetful)
os._exit(main())

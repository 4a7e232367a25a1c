"""An echo server whose workers die as soon as they are to serve: `python dying.py` with flags."""

import os
from typing import NoReturn

from echo.__main__ import main
from runtime import evented

STATUS = 7


def die(_: object) -> NoReturn:
    """End without a word."""
    os._exit(STATUS)


vars(evented).update(serve=die)
os._exit(main())

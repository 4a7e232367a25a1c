"""What needs a C compiler, and Linux."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from bench import building


def need_compiler() -> None:
    """Without a C compiler there is no load, which only CI may not accept."""
    if sys.platform != "linux" or not shutil.which(building.CC):
        if os.environ.get("REQUIRE_CC") == "1":
            pytest.fail(f"there is no {building.CC} on Linux")
        pytest.skip(f"there is no {building.CC} on Linux")


def load_generator() -> Path:
    """The load generator, compiled."""
    need_compiler()
    return building.compiled(building.BENCH / "load.c")

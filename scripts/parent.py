"""A process that ends with its parent."""

import ctypes
import os
import signal
import sys

# linux/prctl.h
PR_SET_PDEATHSIG = 1


def end_with(parent: int) -> None:
    """Request SIGTERM for this process when its parent ends, even by SIGKILL. Linux only.

    The request survives exec, so it suits as `preexec_fn`. The kernel watches the thread that
    forked: it must live as long as its process.
    """
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # until exec a handler of the parent is inherited
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:  # the parent ended before the request
            os.kill(os.getpid(), signal.SIGTERM)

"""The child process: one arm, or one heavy job. Started as `python -P -m ortbench.runner.worker PARENT CPUS`.

What must be settled before any library is imported comes first: dying with the parent, affinity, and keeping
the protocol's pipe apart from whatever libraries print. Thread counts come from the environment.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import BinaryIO

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Serve requests from standard input until it ends."""
    parent, cpus = int(sys.argv[1]), [int(cpu) for cpu in sys.argv[2].split(",") if cpu]
    _die_with(parent)
    if cpus and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cpus)
    replies = _take_stdout()

    from ortbench.runner.serve import serve

    serve(sys.stdin.buffer, replies)


def _die_with(parent: int) -> None:
    """Ask the kernel for SIGKILL when the parent dies; unlike end of file it reaches a stopped process too."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before the request took effect
            os._exit(1)


def _take_stdout() -> BinaryIO:
    """Keep the pipe to the parent for replies, and send everything that is printed to standard error."""
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return replies


if __name__ == "__main__":
    main()

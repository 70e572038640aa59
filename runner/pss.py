"""The proportional set size of a process: what is its own, and of what it shares its share."""

from __future__ import annotations

import re
from pathlib import Path

_ROLLUP = Path("/proc/self/smaps_rollup")
_PSS = re.compile(r"^Pss:\s+(\d+) kB$", re.MULTILINE)


def parse_pss_mib(text: str) -> float | None:
    """Return the proportional set size in MiB from the text of a smaps_rollup file; None where it has none.

    Each page counts for one over the number of processes that map it at that moment (proc_pid_smaps(5)), so the sum
    over all processes is the memory in use, and a process's figure grows when one that shares its libraries ends.
    """
    found = _PSS.search(text)
    return int(found[1]) / 1024 if found else None


def pss_mib(rollup: Path = _ROLLUP) -> float | None:
    """Return this process's proportional set size; None where the system does not tell.

    The kernel walks every page to answer: about 25 ms for 500 MiB. So it is asked between stages, never among slices.
    """
    try:
        return parse_pss_mib(rollup.read_text(encoding="ascii"))
    except OSError:
        return None


class LargestPss:
    """The largest proportional set size of this process that was seen."""

    mib: float | None = None

    def look(self) -> None:
        """Read it now, and keep it where it is the largest."""
        now = pss_mib()
        if now is not None:
            self.mib = max(now, self.mib or 0.0)

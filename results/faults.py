"""Page faults by call, as the system counted them in each slice: what was given back must be had again. Pure."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Sequence

from ortbench.results.schema import RoundRecord


def calls_of(line: RoundRecord) -> int:
    """Return how many calls the counters of a slice are of."""
    return len(line.lead_in_ns) + len(line.samples_ns) if line.calls is None else line.calls


def minor_faults_per_call(slices: Sequence[RoundRecord]) -> float | None:
    """Return the median over launches of the minor faults of a launch's slices over their calls.

    Args:
        slices: of one arm in one cell, those that count.

    Returns:
        None where there is no slice.
    """
    faults: dict[int, int] = defaultdict(int)
    calls: dict[int, int] = defaultdict(int)
    for line in slices:
        faults[line.launch] += line.minor_faults
        calls[line.launch] += calls_of(line)
    by_launch = [faults[launch] / count for launch, count in calls.items() if count]
    return statistics.median(by_launch) if by_launch else None

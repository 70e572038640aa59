"""How much the machine's own speed moved during a study, by the sentinel. Pure."""

from __future__ import annotations

from collections.abc import Sequence

_FEWEST = 10


def drift(durations_ns: Sequence[int]) -> float | None:
    """Return the 90th percentile of the sentinel's durations over their 10th, less 1; None for a few."""
    if len(durations_ns) < _FEWEST:
        return None
    ordered = sorted(durations_ns)
    return ordered[len(ordered) * 9 // 10] / ordered[len(ordered) // 10] - 1

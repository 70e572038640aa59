"""How much the machine's own speed moved during a study, by the sentinel. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from ortbench.results.schema import RoundRecord

_FEWEST = 10


def drift(durations_ns: Sequence[int]) -> float | None:
    """Return the 90th percentile of the sentinel's durations over their 10th, less 1; None for a few."""
    if len(durations_ns) < _FEWEST:
        return None
    ordered = sorted(durations_ns)
    return ordered[len(ordered) * 9 // 10] / ordered[len(ordered) // 10] - 1


def untracked(rounds: Sequence[RoundRecord]) -> list[str]:
    """Say in how many rounds there was no sentinel, where there was one in others."""
    tracked = {(line.cell, line.launch, line.round): line.sentinel_ns is not None for line in rounds}
    missing = sum(not one for one in tracked.values())
    if missing in (0, len(tracked)):
        return []
    where = f"in {missing} of {len(tracked)} rounds"
    return [f"{where} nothing tracked the machine's speed: the sentinel's process had ended"]

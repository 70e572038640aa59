"""Energy by item, from what the counters said of each slice. Pure."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Sequence

from ortbench.results.schema import RoundRecord

_UJ_PER_J = 1e6


def items_of(line: RoundRecord, items_per_call: int) -> float:
    """Return how many items an arm finished in the counted part of a slice."""
    return items_per_call * len(line.samples_ns) if line.items is None else line.items


def items_in_all(line: RoundRecord, items_per_call: int) -> float:
    """Return how many items an arm finished in a slice, its lead-in included, as its energy is."""
    return items_of(line, items_per_call) + items_per_call * len(line.lead_in_ns)


def joules_per_item(slices: Sequence[RoundRecord], items_per_call: int) -> float | None:
    """Return the median over launches of the energy of a launch's slices over the items that they finished.

    Args:
        slices: of one arm in one cell, those that count.
        items_per_call: what one call finishes.

    Returns:
        None where no slice has its energy on record, or the counter never moved.
    """
    energy_uj: dict[int, int] = defaultdict(int)
    items: dict[int, float] = defaultdict(float)
    for line in slices:
        if line.energy_uj is not None:
            energy_uj[line.launch] += line.energy_uj
            items[line.launch] += items_in_all(line, items_per_call)
    by_launch = [energy_uj[launch] / _UJ_PER_J / count for launch, count in items.items() if count]
    # A counter that did not move was too coarse to tell.
    return (statistics.median(by_launch) or None) if by_launch else None

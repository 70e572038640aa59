"""What a reader should know of how slices are made up: where counted calls are not like calls in a row. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from ortbench.results.schema import CellKey, SlicePlan

# What counted calls may differ from calls in a row without a word.
AGREEMENT = 0.005


def slice_marks(slices: Sequence[SlicePlan], cell: CellKey, engine: str) -> tuple[str, ...]:
    """Return in words what is off of one engine's slices in a cell; nothing where they agree or it cannot be told.

    Under a load LoadGen says which calls there are, and only its pauses are a user's.
    """
    if cell.load:
        return ()
    own = [plan for plan in slices if (plan.cell, plan.engine) == (cell.id, engine)]
    return tuple(_worded(plan) for plan in own[-1:] if is_off(plan))


def is_off(plan: SlicePlan) -> bool:
    """Say whether the counted calls are shown to differ from calls in a row."""
    if plan.off is None or plan.off_range is None:
        return False
    low, high = plan.off_range
    return abs(plan.off) > AGREEMENT and (low > 0 or high < 0)


def _worded(plan: SlicePlan) -> str:
    off = plan.off or 0.0
    how = "longer" if off > 0 else "less"
    calls = "after a lead-in of one call" if plan.lead_in == 1 else f"after a lead-in of {plan.lead_in} calls"
    return f"its calls take {abs(off):.1%} {how} than calls in a row, even {calls}"

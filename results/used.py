"""Which columns of memory and energy a table has: those with a figure anywhere. Pure."""

from __future__ import annotations

from ortbench.results.summary import ArmSummary, Summary
from ortbench.units import format_significant

# Field of ArmSummary -> its heading.
_HEADINGS = {"pss_mib": "PSS MiB", "gpu_memory_mib": "GPU MiB", "joules_per_item": "J/item"}


def used_columns(summary: Summary) -> dict[str, str]:
    """Return field -> heading of what any arm has on record."""
    arms = [arm for cell in summary.cells for arm in cell.arms]
    return {name: heading for name, heading in _HEADINGS.items() if any(getattr(arm, name) is not None for arm in arms)}


def used_figures(arm: ArmSummary, columns: dict[str, str]) -> list[str]:
    """Return an arm's figures for these columns; empty where there is none."""
    values = (getattr(arm, name) for name in columns)
    return ["" if value is None else format_significant(value) for value in values]

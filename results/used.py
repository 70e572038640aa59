"""Which columns of memory, energy and the share of the peak a table has: those with a figure anywhere. Pure."""

from __future__ import annotations

from ortbench.results.summary import ArmSummary, Summary
from ortbench.units import format_significant, percent

# Name -> its heading; all but the last are fields of ArmSummary.
_SHARE = "share_of_peak"
_HEADINGS = {"pss_mib": "PSS MiB", "gpu_memory_mib": "GPU MiB", "joules_per_item": "J/item", _SHARE: "of peak"}


def used_columns(summary: Summary) -> dict[str, str]:
    """Return name -> heading of what any arm has on record."""
    arms = [arm for cell in summary.cells for arm in cell.arms]
    known = {name for name in _HEADINGS for arm in arms if used_value(arm, name) is not None}
    return {name: heading for name, heading in _HEADINGS.items() if name in known}


def used_value(arm: ArmSummary, name: str) -> float | None:
    """Return an arm's figure for a column."""
    if name == _SHARE:
        return arm.roofline.share if arm.roofline else None
    value: float | None = getattr(arm, name)
    return value


def used_text(arm: ArmSummary, name: str) -> str:
    """Return the figure as it is shown; empty where there is none."""
    value = used_value(arm, name)
    if value is None:
        return ""
    return percent(value) if name == _SHARE else format_significant(value)


def used_figures(arm: ArmSummary, columns: dict[str, str]) -> list[str]:
    """Return an arm's figures for these columns."""
    return [used_text(arm, name) for name in columns]

"""Which columns a table has beyond speed, those with a figure anywhere: memory, energy, faults, share of peak. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from ortbench.results.summary import ArmSummary, Summary
from ortbench.units import format_significant, percent

# Name -> its heading; all but the share of the peak are fields of ArmSummary.
_SHARE = "share_of_peak"
_HEADINGS = {
    "instance_latency_ms": "each instance's ms",
    "pss_mib": "PSS MiB",
    "gpu_memory_mib": "GPU MiB",
    "minor_faults_per_call": "faults/call",
    "joules_per_item": "J/item",
    _SHARE: "of peak",
}
# More instances than this are told by the fastest and the slowest.
_MOST_LISTED = 4

_Value = float | tuple[float, ...] | None


def used_columns(summary: Summary) -> dict[str, str]:
    """Return name -> heading of what any arm has on record; page faults only beside several allocators."""
    arms = [arm for cell in summary.cells for arm in cell.arms]
    several = len({cell.allocator for cell in summary.cells}) > 1
    return {
        name: heading
        for name, heading in _HEADINGS.items()
        if any(_value(arm, name) not in (None, ()) for arm in arms) and (several or name != "minor_faults_per_call")
    }


def used_figures(arm: ArmSummary, columns: Mapping[str, str]) -> list[str]:
    """Return an arm's figures for these columns; empty where there is none."""
    return [_worded(name, _value(arm, name)) for name in columns]


def used_keys(arm: ArmSummary, columns: Mapping[str, str]) -> list[float | None]:
    """Return what an arm's figures for these columns are sorted by: of several instances, the slowest one's."""
    values = (_value(arm, name) for name in columns)
    return [max(value, default=None) if isinstance(value, tuple) else value for value in values]


def _value(arm: ArmSummary, name: str) -> _Value:
    if name == _SHARE:
        return arm.roofline.share if arm.roofline else None
    value: _Value = getattr(arm, name)
    return value


def _worded(name: str, value: _Value) -> str:
    if not isinstance(value, tuple):
        return "" if value is None else percent(value) if name == _SHARE else format_significant(value)
    if len(value) > _MOST_LISTED:
        return f"{format_significant(min(value))} to {format_significant(max(value))}"
    return ", ".join(map(format_significant, value))

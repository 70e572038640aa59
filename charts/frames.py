"""The rows that charts draw: a pure function of the summary. No chart computes anything itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ortbench.charts.hollow import is_solid, standing
from ortbench.results.schema import CellKey
from ortbench.results.summary import ArmSummary, Bounds, CellSummary, Summary
from ortbench.units import format_significant

Row = dict[str, Any]


@dataclass(frozen=True)
class Frame:
    """Points of one combination of precision, instances, mode, allocator and load.

    Attributes:
        name: of that combination, fit for a sub-folder; empty for the plain one.
        rows: one dictionary a point, ready for a chart.
        precision, allocator: of all of them; instances: how many, and how they share the work.
        missing: the points without figures: engine, batch size, threads and status.
    """

    name: str
    rows: list[Row]
    precision: str = "fp32"
    allocator: str = "default"
    instances: str = "1"
    missing: list[Row] = field(default_factory=list)

    def where(self, **values: Any) -> list[Row]:
        """Return the rows whose columns have these values."""
        return _where(self.rows, values)

    def without_figures(self, **values: Any) -> list[str]:
        """Return the status of each point that has these values and no figure."""
        return [row["state"] for row in _where(self.missing, values)]

    def distinct(self, column: str) -> list[Any]:
        """Return the column's values, ascending where they are numbers, in order of appearance otherwise."""
        values = list(dict.fromkeys(row[column] for row in self.rows))
        return values if values and isinstance(values[0], str) else sorted(values)


def chart_frames(summary: Summary) -> list[Frame]:
    """Return the points to draw, one frame for each combination beyond threads, batch size and engine.

    Twins are left out. A point has `latency`, `throughput` and for both `_low`, `_high` (the value itself where
    there is no interval) and `_label`; `state` is its standing, and `valid` is false where it is drawn hollow.
    """
    frames: dict[str, Frame] = {}
    for cell in summary.cells:
        name = combination_name(cell.key)
        frame = frames.setdefault(name, Frame(name, [], cell.precision, cell.allocator, cell.shared_among))
        for arm in cell.arms:
            if not arm.twin:
                (frame.rows if arm.latency_ms else frame.missing).append(_row(cell, arm))
    return [frame for frame in frames.values() if frame.rows]


def combination_name(key: CellKey) -> str:
    """Name what sets a cell apart from the plain one (fp32, one instance, default allocator, no load)."""
    parts = [key.precision] if key.precision != "fp32" else []
    parts += [f"{key.instances}x-{key.mode}"] if key.instances > 1 else []
    parts += [key.allocator] if key.allocator != "default" else []
    parts += [key.load] if key.load else []
    return "-".join(parts)


def _where(rows: list[Row], values: Row) -> list[Row]:
    return [row for row in rows if all(row[column] == value for column, value in values.items())]


def _row(cell: CellSummary, arm: ArmSummary) -> Row:
    latency, state = arm.latency_ms, standing(arm)
    row: Row = {
        "engine": arm.engine,
        "batch_size": cell.batch_size,
        "threads": cell.threads,
        "valid": is_solid(state),
        "state": state,
    }
    if latency is None:
        return row
    throughput = _values("throughput", arm.throughput_per_s or 0.0, arm.throughput_ci95)
    return row | _values("latency", latency.median, latency.ci95) | throughput


def _values(name: str, value: float, interval: Bounds | None) -> Row:
    low, high = interval or (value, value)
    return {name: value, f"{name}_low": low, f"{name}_high": high, f"{name}_label": format_significant(value)}

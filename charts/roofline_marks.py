"""The roofline chart: operations for each byte against operations a second, below what the machine allows.

Source: Williams, Waterman, Patterson, CACM 52 (2009). The rows hold every figure; only places of labels are found here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import altair as alt

from ortbench.charts.alt import alt_text
from ortbench.charts.axes import log_axis, log_ticks
from ortbench.charts.decision_marks import color_of, finish, points_of
from ortbench.charts.frames import Row
from ortbench.charts.hollow import lines_of
from ortbench.charts.labels import spread
from ortbench.charts.theme import MUTED, OUTLINE
from ortbench.results.roofline import Peaks
from ortbench.results.summary import CellSummary
from ortbench.units import format_significant, percent

# How far the axes go beyond the outermost figures, as factors; on the right stand names and the roof's figure.
_LEFT, _RIGHT, _ABOVE_AND_BELOW = 3.0, 6.0, 1.5
# A label's height, as a share of the axis that it stands on.
_ROOM = 0.05
# Nearer to each other than this factor, two columns of points are one.
_ONE_COLUMN = 1.05
_MOST_LABELS = 14
_SIZE = 10


def roofline_rows(cells: Sequence[CellSummary]) -> list[Row]:
    """Return one row per arm whose share is known: `intensity`, `achieved`, `share` and what it is called."""
    return [
        {
            "engine": arm.engine,
            "batch_size": cell.batch_size,
            "intensity": arm.roofline.intensity,
            "achieved": arm.roofline.achieved_gflop_per_s,
            "attainable": arm.roofline.attainable_gflop_per_s,
            "share": 100 * arm.roofline.share,
            "label": f"batch {cell.batch_size}: {percent(arm.roofline.share)}",
            # A share of the peak is not compared with the baseline's, so nothing about it is undecided.
            "valid": True,
            "state": "ok",
        }
        for cell in cells
        for arm in cell.arms
        if arm.roofline and not arm.twin
    ]


def labelled(rows: list[Row], low: float, high: float) -> list[Row]:
    """Return the points that are named, with `side` and `place`, where the name stands.

    Points of the smallest batch are named on the left and those of the largest on the right, unless they are in one
    column; then all of them are on the right, or those of the largest batch where that is too many.

    Args:
        rows: of one layout.
        low: of the axis of operations a second.
        high: of the same.
    """
    sizes = [row["batch_size"] for row in rows]
    left = [row for row in rows if row["batch_size"] == min(sizes)]
    right = [row for row in rows if row["batch_size"] == max(sizes)]
    if right[0]["intensity"] < _ONE_COLUMN * left[0]["intensity"]:
        left, right = [], rows if len(rows) <= _MOST_LABELS else right
    room = _ROOM * math.log(high / low)
    named = []
    for side, own in (("left", left), ("right", right)):
        places = spread([math.log(row["achieved"]) for row in own], room)
        named += [row | {"side": side, "place": math.exp(place)} for row, place in zip(own, places, strict=True)]
    return named


def roofline_chart(rows: list[Row], peaks: Peaks, engines: Sequence[str], about: str) -> dict[str, Any]:
    """Return the arms of one layout below its two roofs."""
    across, up = _ranges(rows, peaks)
    x = alt.X(
        "intensity:Q",
        title="Operations for each byte moved (FLOP/byte)",
        scale=alt.Scale(type="log", domain=across, nice=False),
        axis=log_axis(log_ticks(across)),
    )
    y = alt.Y(
        "achieved:Q",
        title="Operations a second (GFLOP/s)",
        scale=alt.Scale(type="log", domain=up, nice=False),
        axis=log_axis(log_ticks(up)),
    )
    base, color = alt.Chart(alt.InlineData(values=rows)), color_of(engines, rows)
    line = base.mark_line(strokeWidth=1.5).encode(x=x, y=y, color=color, order=alt.Order("batch_size:Q"))
    points = points_of(base.encode(x=x), y, color)
    layers = [*_roof(peaks, across, up, x, y), line, *_names(labelled(rows, *up), x, color), *points]
    above = [row for row in rows if row["share"] > 100]
    notes = [f"thick line: the most measured here, {_of(peaks)}", "figures: batch size and share of that"]
    notes += ["above it: less was done than is counted, or more is possible than was measured"] if above else []
    told = alt_text("Share of the attainable peak, %", rows, "engine", "batch_size", "share")
    told += f" The most measured here: {_of(peaks)}."
    return finish(alt.layer(*layers), "Roofline", [about, *lines_of(notes)], told)


def _ranges(rows: list[Row], peaks: Peaks) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return the ends of both axes: beyond every point, and beyond where the two roofs meet."""
    intensities = [peaks.ridge, *(row["intensity"] for row in rows)]
    across = (min(intensities) / _LEFT, max(intensities) * _RIGHT)
    achieved = [row["achieved"] for row in rows]
    low = min(*achieved, peaks.attainable_gflop_per_s(across[0])) / _ABOVE_AND_BELOW
    return across, (low, max(*achieved, peaks.gflop_per_s) * _ABOVE_AND_BELOW)


def _roof(peaks: Peaks, across: Sequence[float], up: Sequence[float], x: alt.X, y: alt.Y) -> list[alt.Chart]:
    """Return the line, and what each part of it is."""
    corners = [across[0], peaks.ridge, across[1]]
    line = [{"intensity": each, "achieved": peaks.attainable_gflop_per_s(each)} for each in corners]
    slope = across[0] * (peaks.ridge / across[0]) ** 0.35
    text = [
        {"side": "slope", "intensity": slope, "achieved": peaks.attainable_gflop_per_s(slope), "text": _gbyte(peaks)},
        {"side": "flat", "intensity": across[1], "achieved": peaks.gflop_per_s, "text": _gflop(peaks)},
    ]
    named = alt.Chart(alt.InlineData(values=text)).encode(x=x, y=y, text="text:N")
    looks: dict[str, dict[str, Any]] = {
        "slope": {"align": "left", "dx": 8, "dy": 8, "fontSize": 11, "color": "black"},
        "flat": {"align": "right", "dx": -2, "dy": -9, "fontSize": 11, "color": "black"},
    }
    names = [named.transform_filter(f"datum.side == '{side}'").mark_text(**look) for side, look in looks.items()]
    roof = alt.Chart(alt.InlineData(values=line)).mark_line(color="black", strokeWidth=2.5).encode(x=x, y=y)
    ridge = {"intensity": peaks.ridge, "low": up[0], "achieved": peaks.gflop_per_s}
    drop = alt.Chart(alt.InlineData(values=[ridge])).mark_rule(color=MUTED, strokeDash=[2, 4])
    drop = drop.encode(x=x, y=alt.Y("low:Q"), y2="achieved:Q")
    return [drop, roof, *names]


def _names(named: list[Row], x: alt.X, color: alt.Color) -> list[alt.Chart]:
    base = alt.Chart(alt.InlineData(values=named)).encode(x=x, y=alt.Y("place:Q"), text="label:N")
    names = []
    for side, look in (("left", {"align": "right", "dx": -9}), ("right", {"align": "left", "dx": 9})):
        own = base.transform_filter(f"datum.side == '{side}'")
        place: dict[str, Any] = {**look, "baseline": "middle", "fontSize": _SIZE}
        names += [own.mark_text(**place, **OUTLINE), own.mark_text(**place).encode(color=color)]
    return names


def _gbyte(peaks: Peaks) -> str:
    return f"{format_significant(peaks.gbyte_per_s)} GB/s"


def _gflop(peaks: Peaks) -> str:
    return f"{format_significant(peaks.gflop_per_s)} GFLOP/s"


def _of(peaks: Peaks) -> str:
    """Name both roofs, and what gave them."""
    product, stream = (f" ({name})" if name else "" for name in (peaks.product, peaks.stream))
    return f"{_gflop(peaks)}{product} and {_gbyte(peaks)}{stream}"

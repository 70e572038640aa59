"""Latency under a load, percentile by percentile: the rows and the picture."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import altair as alt

from ortbench.charts.alt import alt_text
from ortbench.charts.axes import log_axis, log_scale, log_ticks
from ortbench.charts.decision_marks import color_of, finish
from ortbench.charts.frames import Row
from ortbench.charts.hollow import lines_of
from ortbench.charts.labels import with_places
from ortbench.charts.record_frames import short, spread
from ortbench.charts.theme import MUTED, OUTLINE
from ortbench.results.pairing import by_arm, counted
from ortbench.results.percentiles import PERCENTILE_MINIMUM, PooledCalls, quantile
from ortbench.results.schema import PlannedCell, RoundRecord
from ortbench.results.summary import CellSummary
from ortbench.units import format_significant

_NS_PER_MS = 1e6
_CURVE_POINTS = 120
_LABEL_SIZE = 10
# Where the axis is marked, if there are samples beyond, and which of them carry figures.
_PERCENTILES = (0.0, 50.0, 90.0, 95.0, 99.0, 99.9)
_TOLD = (50, 95, 99)
# So many samples must lie beyond a percentile before it is told.
_BEYOND = 10


def depth(share: float) -> float:
    """Return where a percentile stands: each nine is as wide as the last, 0 for none, 1 for 90 %, 2 for 99 %."""
    return -math.log10(1 - share)


def tail_rows(cell: PlannedCell, rounds: Sequence[RoundRecord]) -> list[Row]:
    """Return the curve of each arm's latencies that count: a `share` of the queries took less than `latency` ms."""
    rows: list[Row] = []
    lines = counted([line for line in rounds if line.cell == cell.key.id and not line.twin])
    for arm, own in by_arm(lines).items():
        samples = sorted(sample / _NS_PER_MS for line in own for sample in line.samples_ns)
        count = len(samples)
        for place in _places(count):
            share = place / count
            row = {"engine": arm.engine, "depth": short(depth(share)), "share": short(share)}
            rows.append(row | {"latency": short(samples[place])})
    return rows


def _places(count: int) -> list[int]:
    """Return places of a sorted list, evenly spread over the axis: as many in each nine."""
    deepest = depth((count - 1) / count) if count > 1 else 0.0
    wanted = [1 - 10 ** -(deepest * step / _CURVE_POINTS) for step in range(_CURVE_POINTS + 1)]
    return sorted({min(count - 1, round(share * count)) for share in wanted} | set(spread(count, 2)))


def told_rows(cell: PlannedCell, rounds: Sequence[RoundRecord]) -> list[Row]:
    """Return the percentiles that carry a figure, of each arm that has samples enough."""
    rows: list[Row] = []
    lines = counted([line for line in rounds if line.cell == cell.key.id and not line.twin])
    for arm, own in by_arm(lines).items():
        calls = _pooled(own)
        for percent in _TOLD:
            if len(calls.ordered) * (100 - percent) >= _BEYOND * 100:
                value = quantile(calls.ordered, percent)
                low, high = (calls.interval(percent) if percent in PERCENTILE_MINIMUM else None) or (value, value)
                row = {"engine": arm.engine, "percentile": f"{percent}", "depth": short(depth(percent / 100))}
                told = {"latency": value, "latency_low": low, "latency_high": high}
                rows.append(row | told | {"latency_label": format_significant(value)})
    return rows


def _pooled(lines: Sequence[RoundRecord]) -> PooledCalls:
    by_launch: dict[int, list[float]] = defaultdict(list)
    for line in lines:
        by_launch[line.launch].extend(sample / _NS_PER_MS for sample in line.samples_ns)
    return PooledCalls(by_launch.values())


def tail_chart(rows: list[Row], told: list[Row], engines: Sequence[str], about: str, bound_ms: float | None) -> Any:
    """Return latency against percentile, an axis on which the tail has as much room as the rest.

    Args:
        rows: of `tail_rows`.
        told: of `told_rows`.
        engines: of the study, in their order.
        about: stands below the title.
        bound_ms: LoadGen's bound on the 99th percentile, drawn where it is near the curves.
    """
    deepest = max(row["depth"] for row in rows)
    marked = [percent for percent in _PERCENTILES if depth(percent / 100) <= max(deepest, depth(0.5))]
    x = alt.X(
        "depth:Q",
        title="Percentile of the queries",
        scale=alt.Scale(domain=[0, max(deepest, depth(0.5)) * 1.06], nice=False),
        axis=alt.Axis(
            values=[depth(percent / 100) for percent in marked],
            labelExpr="format(100 * (1 - pow(10, -datum.value)), '.4~g') + ' %'",
        ),
    )
    latencies = [row["latency"] for row in rows]
    near = bound_ms is not None and min(latencies) / 3 <= bound_ms <= max(latencies) * 3
    ticks = log_ticks([*latencies, *([bound_ms] if near else [])])
    y = alt.Y("latency:Q", title="Latency (ms)", scale=log_scale(padding=15), axis=log_axis(ticks))
    color = color_of(engines, rows)
    line = alt.Chart(alt.InlineData(values=rows)).mark_line(interpolate="step-after", strokeWidth=2)
    layers = [line.encode(x=x, y=y, color=color)]
    if near:
        rule = alt.Chart(alt.InlineData(values=[{"latency": bound_ms}]))
        layers.insert(0, rule.mark_rule(strokeDash=[5, 4], color=MUTED).encode(y=y))
    if told:
        figures = alt.Chart(alt.InlineData(values=with_places(told, "latency", "percentile", lowest=min(latencies))))
        bars = figures.mark_rule(strokeWidth=2).encode(x=x, y=alt.Y("latency_low:Q"), y2="latency_high:Q", color=color)
        layers += [bars, figures.mark_point(filled=True, size=45).encode(x=x, y=y, color=color)]
        # A curve that never falls leaves room above it and to the left.
        place: dict[str, Any] = {"dx": -5, "dy": -9, "align": "right", "baseline": "middle", "fontSize": _LABEL_SIZE}
        text = figures.encode(x=x, y=alt.Y("latency_place:Q"), text="latency_label:N")
        layers += [text.mark_text(**place, **OUTLINE), text.mark_text(**place).encode(color=color)]
    notes = ["every query of the rounds that count; each nine has as much room as the last"]
    notes += ["vertical lines: 95 % intervals"] if any(row["latency_low"] < row["latency_high"] for row in told) else []
    notes += [f"dashed: the bound on the 99th percentile, {bound_ms:g} ms"] if near else []
    return finish(
        alt.layer(*layers),
        "Latency under load",
        [about, *lines_of(notes)],
        alt_text("Latency under load, ms", told or rows[:1], "engine", "percentile" if told else "share", "latency"),
    )


def load_lines(cell: CellSummary) -> Iterator[str]:
    """Say of each engine what it had to do and whether it could."""
    for arm in cell.arms:
        if arm.load and not arm.twin and arm.load.busy is not None:
            cannot = ", cannot keep up" if arm.load.overloaded else ""
            yield f"{arm.engine} busy {min(arm.load.busy, 9.99):.0%}{cannot}"


def load_picture(
    cell: CellSummary, planned: PlannedCell, rounds: Sequence[RoundRecord], engines: Sequence[str], about: str
) -> dict[str, Any] | None:
    """Return the picture of one cell under a load; None where nothing was measured in it."""
    rows = tail_rows(planned, rounds)
    if not rows:
        return None
    bounds = [arm.load.bound_ms for arm in cell.arms if arm.load]
    busy = " · ".join(load_lines(cell))
    chart: dict[str, Any] = tail_chart(rows, told_rows(planned, rounds), engines, about, bounds[0] if bounds else None)
    if busy:
        chart["title"]["subtitle"].insert(1, busy)
    return chart

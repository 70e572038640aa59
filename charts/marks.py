"""The two kinds of chart, built with Altair from rows that hold every figure already.

A chart's marks depend on what is drawn, not on the figures, so they are built once for each kind and the rows are
put in afterwards: Altair copies a chart many times while it is put together.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import altair as alt

from ortbench.charts.alt import alt_text
from ortbench.charts.axes import AXIS_TITLES, batch_axis, is_wide, log_ticks, thread_axis, value_axis
from ortbench.charts.frames import Row
from ortbench.charts.hollow import hollow_note, lines_of, missing_note
from ortbench.charts.theme import CONFIG, FILLED_AND_HOLLOW, HEIGHT, OUTLINE, WIDTH, named_scales, ordered_scales

_MOST_LABELLED = 3
_MANY_POINTS = 40
# A figure's height, as a share of an axis from zero.
_ROOM = 0.05
_POINTS = "points"

# Validating against Vega-Lite's schema takes longer than everything else; the tests draw with it on.
VALIDATE = bool(os.environ.get("ORTBENCH_VALIDATE_CHARTS"))


@dataclass(frozen=True)
class Series:
    """What tells the lines of a chart apart.

    Attributes:
        column: `engine` or `threads`.
        values: all that exist in the study, so that each keeps its colour in every chart.
        about: the subtitle.
        interval: what the vertical lines are.
        missing: the status of each point that has no figure.
    """

    column: str
    values: Sequence[Any]
    about: str
    interval: str
    missing: Sequence[str] = ()


@dataclass(frozen=True)
class _Look:
    """Everything that the marks depend on."""

    value: str
    column: str
    values: tuple[Any, ...]
    present: tuple[Any, ...]
    small: bool
    ticks: tuple[float, ...] = ()


def thread_chart(rows: list[Row], value: str, title: str, series: Series) -> dict[str, Any]:
    """Return a chart of `value` against the thread count; bars where there is one thread count only.

    The axis of values begins at zero, except where latencies are so far apart that it is logarithmic.
    """
    if len({row["threads"] for row in rows}) == 1:
        return _finish(_bars(_look(rows, value, series)), rows, value, title, series)
    figures = [row[value] for row in rows]
    ticks = log_ticks(figures) if value == "latency" and is_wide(figures) else ()
    return _finish(_lines(_look(rows, value, series, ticks), ()), rows, value, title, series)


def batch_chart(rows: list[Row], value: str, title: str, series: Series) -> dict[str, Any]:
    """Return a chart of `value` against the batch size on a log2 axis, one line per series value."""
    sizes = tuple(sorted({row["batch_size"] for row in rows}))
    return _finish(_lines(_look(rows, value, series), sizes), rows, value, title, series)


def label_sides(rows: list[Row], value: str, series: Series) -> dict[Any, str]:
    """Say for which series the values are written, and on which side of the points: series value -> above or below.

    The greatest series is labelled above, the least below, and one between them below too where there are three;
    with more of them the figures of those between would cover each other.
    """
    tops: dict[Any, float] = {}
    for row in rows:
        name = row[series.column]
        tops[name] = max(tops.get(name, 0.0), row[value])
    ordered = sorted(tops, key=lambda name: tops[name])
    labelled = ordered if len(ordered) <= _MOST_LABELLED else [ordered[0], ordered[-1]]
    return {name: "above" if name == ordered[-1] else "below" for name in labelled}


def crowded(rows: list[Row], value: str, below: Sequence[Any]) -> set[int]:
    """Return which rows' figures would cover the figure of a lower point that is labelled below as well.

    Args:
        rows: the points, of engines that all have a point at a thread count.
        value: what is drawn.
        below: the engines whose figures are below their points.
    """
    room = _ROOM * max(row[value] for row in rows)
    return {
        place
        for place, row in enumerate(rows)
        for other in rows
        if row.get("engine") in below
        and other.get("engine") in below
        and other["engine"] != row["engine"]
        and other["threads"] == row["threads"]
        and other["batch_size"] == row["batch_size"]
        and (other[value], other["engine"]) < (row[value], row["engine"])
        and row[value] - other[value] < room
    }


def _look(rows: list[Row], value: str, series: Series, ticks: tuple[float, ...] = ()) -> _Look:
    used = {row[series.column] for row in rows}
    present = tuple(name for name in series.values if name in used)
    return _Look(value, series.column, tuple(series.values), present, len(rows) > _MANY_POINTS, ticks)


@lru_cache
def _lines(look: _Look, batch_sizes: tuple[int, ...]) -> dict[str, Any]:
    """Return lines against the batch sizes given, or against the thread count where there are none."""
    base = alt.Chart(alt.NamedData(name=_POINTS)).encode(x=batch_axis(batch_sizes) if batch_sizes else thread_axis())
    y, (color, shape) = value_axis(look.value, look.ticks), _scales(look)
    line = base.mark_line(strokeWidth=2).encode(y=y, color=color)
    # Many lines' intervals stand one over the other, where they must not hide the points.
    thin: dict[str, Any] = {"strokeWidth": 1, "opacity": 0.5} if look.small else {"strokeWidth": 1.5}
    interval = base.mark_rule(**thin).encode(y=alt.Y(f"{look.value}_low:Q"), y2=f"{look.value}_high:Q", color=color)
    points = [
        base.transform_filter(test).mark_point(size=70, opacity=1, **filling).encode(y=y, color=color, shape=shape)
        for test, filling in FILLED_AND_HOLLOW
    ]
    # Labels before points: their outline may cross a line, but must not cut a neighbour's point.
    return _specification(line, interval, *_labels(look, base, color), *points)


def _labels(look: _Look, base: alt.Chart, color: alt.Color) -> list[alt.Chart]:
    """Write the values beside the points, with a white outline where a line or an interval crosses them."""
    size = 8 if look.small else 10
    labels = []
    for side, dy in (("above", -11), ("below", 13)):
        chosen = base.transform_filter(f"datum.side == '{side}'")
        figures = chosen.encode(y=alt.Y(f"{look.value}:Q"), text=f"{look.value}_label:N")
        labels.append(figures.mark_text(dy=dy, fontSize=size, **OUTLINE))
        labels.append(figures.mark_text(dy=dy, fontSize=size).encode(color=color))
    return labels


@lru_cache
def _bars(look: _Look) -> dict[str, Any]:
    """Return bars side by side, for a single thread count."""
    base = alt.Chart(alt.NamedData(name=_POINTS)).encode(
        x=thread_axis(), xOffset=alt.XOffset(f"{look.column}:N", sort=list(look.present))
    )
    y, (color, _) = value_axis(look.value), _scales(look)
    width = min(90, WIDTH // (2 * len(look.present)))
    solid = base.transform_filter("datum.valid").mark_bar(width=width).encode(y=y, color=color)
    hollow = base.transform_filter("!datum.valid").mark_bar(width=width, filled=False, strokeWidth=2)
    interval = base.mark_rule(strokeWidth=2, color="black").encode(
        y=alt.Y(f"{look.value}_low:Q"), y2=f"{look.value}_high:Q"
    )
    # Beside the interval's line and above the bar, so that nothing hides the figure.
    figures = base.mark_text(align="left", dx=6, dy=-8, fontSize=12, color="black")
    text = figures.encode(y=y, text=f"{look.value}_label:N")
    return _specification(solid, hollow.encode(y=y, color=color), interval, text)


def _scales(look: _Look) -> tuple[alt.Color, alt.Shape]:
    """Return colour and shape by series; a legend only where there is more than one to tell apart."""
    title = look.column.capitalize()
    legend = alt.Legend(title=title, values=list(look.present)) if len(look.present) > 1 else None
    if isinstance(look.values[0], str):
        scales, kind = named_scales(list(look.values)), "N"
    else:
        scales, kind = ordered_scales(list(look.values)), "O"
    color = alt.Color(f"{look.column}:{kind}", scale=alt.Scale(**scales["color"]), legend=legend)
    # Nominal in any case: a shape has no order, and Vega-Lite warns of one.
    return color, alt.Shape(f"{look.column}:N", scale=alt.Scale(**scales["shape"]), legend=legend)


def _specification(*layers: Any) -> dict[str, Any]:
    chart: dict[str, Any] = alt.layer(*layers).to_dict(validate=VALIDATE)
    return chart


def _finish(marks: dict[str, Any], rows: list[Row], value: str, title: str, series: Series) -> dict[str, Any]:
    """Put title, look and figures to the marks."""
    bounded = any(row[f"{value}_low"] != row[f"{value}_high"] for row in rows)
    notes = [f"vertical lines: {series.interval}"] if bounded else []
    subtitle = [series.about, *lines_of([*notes, hollow_note(rows), missing_note(series.missing, len(rows))])]
    sides = label_sides(rows, value, series)
    hidden = crowded(rows, value, [name for name in sides if sides[name] == "below"])
    place = "batch_size" if series.column == "threads" else "threads"
    return marks | {
        "description": alt_text(title, rows, series.column, place, value),
        "title": {"text": title, "subtitle": subtitle},
        "width": WIDTH,
        "height": HEIGHT,
        "config": CONFIG,
        "datasets": {
            _POINTS: [
                _drawn(row, value) | {"side": None if place in hidden else sides.get(row[series.column])}
                for place, row in enumerate(rows)
            ]
        },
    }


def _drawn(row: Row, value: str) -> Row:
    """Leave out the figures that this chart is not of, so that a report with many charts stays small."""
    others = tuple(name for name in AXIS_TITLES if name != value)
    return {column: figure for column, figure in row.items() if not column.startswith(others)}

"""The two kinds of chart, built with Altair from rows that hold every figure already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

from ortbench.charts.frames import Row
from ortbench.charts.theme import CONFIG, HEIGHT, WIDTH, series_scale

AXIS_TITLES = {"latency": "Latency per batch (ms)", "throughput": "Throughput (inferences/s)"}
_INTERVAL_NOTE = "bars show 95 % intervals"
_INVALID_NOTE = "hollow: invalid or failed, not to be compared"


@dataclass(frozen=True)
class Series:
    """What tells the lines of a chart apart.

    Attributes:
        column: `engine` or `threads`.
        values: all that exist in the study, so that each keeps its colour in every chart.
        about: the subtitle.
    """

    column: str
    values: Sequence[Any]
    about: str


def thread_chart(rows: list[Row], value: str, title: str, series: Series) -> dict[str, Any]:
    """Return a chart of `value` against the thread count; bars where there is one thread count only."""
    if len({row["threads"] for row in rows}) == 1:
        return _finish(_bars(rows, value, series), rows, value, title, series)
    x = alt.X("threads:O", title="Threads", axis=alt.Axis(labelAngle=0))
    return _finish(_lines(rows, value, x, series), rows, value, title, series)


def batch_chart(rows: list[Row], value: str, title: str, series: Series) -> dict[str, Any]:
    """Return a chart of `value` against the batch size on a log2 axis, one line per series value."""
    sizes = sorted({row["batch_size"] for row in rows})
    x = alt.X(
        "batch_size:Q",
        title="Batch size",
        scale=alt.Scale(type="log", base=2, domain=[sizes[0] / 1.15, sizes[-1] * 1.15], nice=False),
        axis=alt.Axis(values=sizes, format="d", grid=False),
    )
    return _finish(_lines(rows, value, x, series), rows, value, title, series)


def _lines(rows: list[Row], value: str, x: alt.X, series: Series) -> alt.LayerChart:
    y = alt.Y(f"{value}:Q", title=AXIS_TITLES[value], scale=alt.Scale(zero=True))
    base = alt.Chart(alt.Data(values=rows)).encode(x=x)  # type: ignore[arg-type]  # plain values are accepted
    color, shape = _looks(rows, series)
    line = base.mark_line(strokeWidth=2).encode(y=y, color=color)
    interval = base.mark_rule(strokeWidth=1.5).encode(y=alt.Y(f"{value}_low:Q"), y2=f"{value}_high:Q", color=color)
    filled = base.transform_filter("datum.valid").mark_point(size=70, filled=True, opacity=1)
    hollow = base.transform_filter("!datum.valid").mark_point(size=70, filled=False, fill="white", opacity=1)
    layers: list[Any] = [line, interval]
    layers += [points.encode(y=y, color=color, shape=shape) for points in (filled, hollow)]
    return alt.layer(*layers, *_labels(rows, value, base, series, color))


def _labels(rows: list[Row], value: str, base: alt.Chart, series: Series, color: alt.Color) -> list[alt.Chart]:
    """Write the values beside the points: the greater series above, the others below."""
    present = [name for name in series.values if any(row[series.column] == name for row in rows)]
    tops = {name: max(row[value] for row in rows if row[series.column] == name) for name in present}
    size = 10 if len(rows) <= 24 else 8
    labels = []
    for name in present:
        above = len(present) == 1 or tops[name] == max(tops.values())
        literal = f"'{_escape(name)}'" if isinstance(name, str) else name
        chosen = base.transform_filter(f"datum.{series.column} == {literal}")
        text = chosen.mark_text(dy=-11 if above else 13, fontSize=size)
        labels.append(text.encode(y=alt.Y(f"{value}:Q"), text=f"{value}_label:N", color=color))
    return labels


def _bars(rows: list[Row], value: str, series: Series) -> alt.LayerChart:
    present = [name for name in series.values if any(row[series.column] == name for row in rows)]
    base = alt.Chart(alt.Data(values=rows)).encode(  # type: ignore[arg-type]  # plain values are accepted
        x=alt.X("threads:O", title="Threads", axis=alt.Axis(labelAngle=0)),
        xOffset=alt.XOffset(f"{series.column}:N", sort=present),
    )
    y = alt.Y(f"{value}:Q", title=AXIS_TITLES[value], scale=alt.Scale(zero=True))
    color, _ = _looks(rows, series)
    width = min(90, WIDTH // (2 * max(1, len(present))))
    solid = base.transform_filter("datum.valid").mark_bar(width=width).encode(y=y, color=color)
    hollow = base.transform_filter("!datum.valid").mark_bar(width=width, filled=False, strokeWidth=2)
    interval = base.mark_rule(strokeWidth=2, color="black").encode(y=alt.Y(f"{value}_low:Q"), y2=f"{value}_high:Q")
    # The label stands above the interval, so that neither hides the other.
    text = base.mark_text(dy=-8, fontSize=12, color="black").encode(
        y=alt.Y(f"{value}_high:Q"), text=f"{value}_label:N"
    )
    return alt.layer(solid, hollow.encode(y=y, color=color), interval, text)


def _looks(rows: list[Row], series: Series) -> tuple[alt.Color, alt.Shape]:
    """Return colour and shape by series; a legend only where there is more than one to tell apart."""
    values = list(series.values)
    scales = series_scale(values)
    present = [value for value in values if any(row[series.column] == value for row in rows)]
    legend = alt.Legend(title=series.column.capitalize(), values=present) if len(present) > 1 else None
    kind = "N" if isinstance(values[0], str) else "O"
    color = alt.Color(f"{series.column}:{kind}", scale=alt.Scale(**scales["color"]), legend=legend)
    return color, alt.Shape(f"{series.column}:{kind}", scale=alt.Scale(**scales["shape"]), legend=legend)


def _finish(chart: alt.LayerChart, rows: list[Row], value: str, title: str, series: Series) -> dict[str, Any]:
    subtitle = [series.about]
    notes = []
    if any(row[f"{value}_low"] != row[f"{value}_high"] for row in rows):
        notes.append(_INTERVAL_NOTE)
    if any(not row["valid"] for row in rows):
        notes.append(_INVALID_NOTE)
    if notes:
        subtitle.append("; ".join(notes))
    finished = chart.properties(title=alt.TitleParams(text=title, subtitle=subtitle), width=WIDTH, height=HEIGHT)
    specification: dict[str, Any] = finished.configure(**CONFIG).to_dict()
    return specification


def _escape(name: str) -> str:
    return name.replace("\\", "\\\\").replace("'", "\\'")

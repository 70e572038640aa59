"""An engine's speedup over time: one chart an engine, one line a batch size. No figure is computed here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import altair as alt

from ortbench.charts.alt import alt_text
from ortbench.charts.drawing import Drawing
from ortbench.charts.marks import VALIDATE
from ortbench.charts.painters import draw_all
from ortbench.charts.theme import CONFIG, HEIGHT, MUTED, WIDTH, ordered_scales
from ortbench.results.history import History, speedup_rows
from ortbench.safe_names import safe_names

# A line at 1 helps where the points are near it; elsewhere it would press them flat.
_NEAR_BASELINE = 1.25
_OTHER_MACHINE_NOTE = "hollow: on another machine than the newest run"


def draw_history(history: History, folder: Path) -> list[Path]:
    """Draw `history-ENGINE` as PNG and SVG for every engine that has a speedup; return the files.

    Raises:
        OSError: a file cannot be written.
    """
    charts = {engine: chart for engine in history.engines if (chart := history_chart(history, engine))}
    if charts:
        folder.mkdir(parents=True, exist_ok=True)
    names = safe_names(charts)
    drawings = [Drawing(chart, str(folder / f"history-{names[engine]}")) for engine, chart in charts.items()]
    return draw_all(drawings, len(drawings))


def history_chart(history: History, engine: str) -> dict[str, Any] | None:
    """Return the chart of one engine as a Vega-Lite specification; None where it has no speedup in any run."""
    rows = speedup_rows(history, engine)
    if not rows:
        return None
    base = alt.Chart(alt.InlineData(values=rows)).encode(x=_time_axis())
    y = alt.Y("speedup:Q", title=f"Speedup over {history.baseline}", scale=alt.Scale(zero=False, padding=20))
    color, shape = _scales(sorted({row["batch_size"] for row in rows}))
    # A line says that its ends may be compared, so it leaves out what is of another machine.
    line = base.transform_filter("datum.valid").mark_line(strokeWidth=2).encode(y=y, color=color)
    interval = base.mark_rule(strokeWidth=1.5).encode(y=alt.Y("speedup_low:Q"), y2="speedup_high:Q", color=color)
    filled = base.transform_filter("datum.valid").mark_point(size=70, filled=True, opacity=1)
    hollow = base.transform_filter("!datum.valid").mark_point(size=70, filled=False, fill="white", opacity=1)
    points = [mark.encode(y=y, color=color, shape=shape) for mark in (filled, hollow)]
    one = alt.Chart(alt.InlineData(values=[{"one": 1}])).mark_rule(strokeDash=[5, 4], color=MUTED).encode(y="one:Q")
    layers = [line, interval, *points, *([one] if _is_near_baseline(rows) else [])]
    return _finish(alt.layer(*layers), rows, history, engine)


def _is_near_baseline(rows: list[dict[str, Any]]) -> bool:
    return any(1 / _NEAR_BASELINE < row["speedup"] < _NEAR_BASELINE for row in rows)


def _time_axis() -> alt.X:
    axis = alt.Axis(format="%Y-%m-%d %H:%M", tickCount=4, labelOverlap=True)
    # Universal time, whatever the clock of the machine that draws.
    return alt.X("created:T", title="Run created (UTC)", scale=alt.Scale(type="utc", padding=20), axis=axis)


def _scales(batch_sizes: list[int]) -> tuple[alt.Color, alt.Shape]:
    """Return colour and shape by batch size; a legend only where there is more than one to tell apart."""
    scales = ordered_scales(batch_sizes)
    legend = alt.Legend(title="Batch size") if len(batch_sizes) > 1 else None
    color = alt.Color("batch_size:O", scale=alt.Scale(**scales["color"]), legend=legend)
    return color, alt.Shape("batch_size:O", scale=alt.Scale(**scales["shape"]), legend=legend)


def _finish(chart: Any, rows: list[dict[str, Any]], history: History, engine: str) -> dict[str, Any]:
    """Put title, look and words to the marks."""
    title = f"Speedup over time, {engine}"
    threads = f"{history.cell.threads} thread{'' if history.cell.threads == 1 else 's'}"
    note = "vertical lines: 95 % intervals"
    if _is_near_baseline(rows):
        note += "; dashed: as fast as the baseline"
    if not all(row["valid"] for row in rows):
        note += f"; {_OTHER_MACHINE_NOTE}"
    specification: dict[str, Any] = chart.to_dict(validate=VALIDATE)
    return specification | {
        "description": alt_text(title, rows, "batch_size", "created", "speedup"),
        "title": {"text": title, "subtitle": [f"{history.model} · {threads}", note]},
        "width": WIDTH,
        "height": HEIGHT,
        "config": CONFIG,
    }

"""The gallery: which charts there are, what they are called, and writing them as PNG and SVG."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ortbench.charts.frames import Frame, chart_frames
from ortbench.charts.marks import Series, batch_chart, thread_chart
from ortbench.charts.theme import SCALE
from ortbench.errors import ResultsError
from ortbench.results.summary import Summary

_TITLES = {"latency": "Latency", "throughput": "Throughput"}


def draw_gallery(summary: Summary, folder: Path) -> list[Path]:
    """Draw every chart of the summary as PNG and SVG; return the files.

    Raises:
        ResultsError: there is nothing to draw.
    """
    frames = chart_frames(summary)
    if not frames:
        raise ResultsError("There is nothing to draw: no arm has a latency.")
    files: list[Path] = []
    for frame in frames:
        target = folder / safe_name(frame.name) if frame.name else folder
        target.mkdir(parents=True, exist_ok=True)
        for name, chart in gallery_charts(summary, frame):
            files += _save(chart, target / name)
    return files


def gallery_charts(summary: Summary, frame: Frame) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (file name without ending, Vega-Lite specification) of every chart of one frame."""
    engines = [engine for engine in summary.engines if frame.where(engine=engine)]
    studied = summary.engines[-1]
    looks = list(summary.engines)
    # Figures from elsewhere come with bounds of which only their author knows what they are.
    interval = "95 % intervals" if summary.paired else "low to high, as given"
    about = " · ".join(part for part in (summary.model, frame.name) if part)
    for batch_size in frame.distinct("batch_size"):
        rows = frame.where(batch_size=batch_size)
        own = [row for row in rows if row["engine"] == studied]
        for value, title in _TITLES.items():
            headline = f"Threads vs {title}, batch size {batch_size}"
            if own:
                series = Series("engine", looks, f"{about} · {studied}", interval)
                yield (
                    safe_name(f"{summary.model}-{value}-{batch_size}"),
                    thread_chart(own, value, headline, series),
                )
            series = Series("engine", looks, f"{about} · {' vs '.join(engines)}", interval)
            name = safe_name(f"{summary.model}-{value}-comparison-{batch_size}")
            yield name, thread_chart(rows, value, headline, series)
    for engine in engines:
        rows = frame.where(engine=engine)
        threads = sorted({row["threads"] for row in rows})
        series = Series("threads", threads, about, interval)
        name = safe_name(f"{summary.model}-throughput-{engine}-perBS")
        yield name, batch_chart(rows, "throughput", f"Batch size vs Throughput, {engine}", series)


def safe_name(text: str) -> str:
    """Return `text` as a file name: every run of characters other than letters, digits, `.` and `_` is one `-`."""
    return re.sub(r"[^A-Za-z0-9._]+", "-", text)


def _save(specification: dict[str, Any], path: Path) -> list[Path]:
    import vl_convert

    png, svg = path.with_name(path.name + ".png"), path.with_name(path.name + ".svg")
    # Compiling the specification is most of the work, so the picture is made from the drawing.
    drawing = vl_convert.vegalite_to_svg(specification)
    svg.write_text(drawing, encoding="utf-8")
    png.write_bytes(vl_convert.svg_to_png(drawing, scale=SCALE))
    return [png, svg]

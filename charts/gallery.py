"""The gallery: which charts there are, what they are called, and writing them as PNG, SVG and HTML."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ortbench.charts.best_chart import best_pictures
from ortbench.charts.decisions import Picture, Record, decision_pictures
from ortbench.charts.drawing import Drawing
from ortbench.charts.frames import Frame, chart_frames
from ortbench.charts.marks import Series, batch_chart, thread_chart
from ortbench.charts.painters import draw_all
from ortbench.charts.vega import vega_script
from ortbench.errors import ResultsError
from ortbench.results.summary import Summary
from ortbench.safe_names import safe_name, safe_names
from ortbench.writing import make_folder, write_whole

SCRIPT = "vega.js"
DECISIONS = "decisions"
_CHARTS_A_BATCH_SIZE = 4
# A file name has at most 255 bytes: the model, then `-throughput-`, the engine, `-perBS` and the ending.
_LONGEST_MODEL, _LONGEST_PICTURE = 80, 240
_TITLES = {"latency": "Latency", "throughput": "Throughput"}


def draw_gallery(summary: Summary, folder: Path, record: Record | None = None, cache: Path | None = None) -> list[Path]:
    """Draw every chart of the summary as PNG, SVG and interactive HTML; return the files.

    The pictures that help to decide go into a folder `decisions` of their own; all HTML files share one script.

    Args:
        summary: what is drawn.
        folder: where to.
        record: the rounds behind the summary, where there are any.
        cache: a folder that keeps what is the same for every gallery.

    Raises:
        ResultsError: there is nothing to draw.
        DrawingError: nothing could be drawn.
        OSError: a file cannot be written.
    """
    frames = chart_frames(summary)
    if not frames:
        raise ResultsError("There is nothing to draw: no arm has a latency.")
    folder.mkdir(parents=True, exist_ok=True)
    script = folder / SCRIPT
    folders = safe_names([frame.name for frame in frames if frame.name], taken=(SCRIPT, DECISIONS))
    expected = sum(_CHARTS_A_BATCH_SIZE * len(frame.distinct("batch_size")) for frame in frames)

    def drawings() -> Iterator[Drawing]:
        write_whole(script, vega_script(cache).encode(), durable=False)
        for frame in frames:
            target = folder / folders[frame.name] if frame.name else folder
            pictures = [(target, picture) for picture in gallery_pictures(summary, frame)]
            pictures += [(target / DECISIONS, each) for each in decision_pictures(summary, frame.name, record)]
            for place, picture in pictures:
                make_folder(place)
                yield Drawing(picture.chart, str(place / picture_name(summary, picture)), str(script))
        for picture in best_pictures(summary):
            make_folder(folder / DECISIONS)
            yield Drawing(picture.chart, str(folder / DECISIONS / picture_name(summary, picture)), str(script))

    return [*draw_all(drawings(), expected), script]


def gallery_charts(summary: Summary, frame: Frame) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (file name without ending, Vega-Lite specification) of every chart of one frame."""
    for picture in gallery_pictures(summary, frame):
        yield picture_name(summary, picture), picture.chart


def gallery_pictures(summary: Summary, frame: Frame) -> Iterator[Picture]:
    """Yield every chart of one frame."""
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
                missing = frame.without_figures(batch_size=batch_size, engine=studied)
                series = Series("engine", looks, f"{about} · {studied}", interval, missing)
                chart = thread_chart(own, value, headline, series)
                yield Picture(f"{value}-{batch_size}", chart, batch_size=batch_size)
            missing = frame.without_figures(batch_size=batch_size)
            series = Series("engine", looks, f"{about} · {' vs '.join(engines)}", interval, missing)
            chart = thread_chart(rows, value, headline, series)
            yield Picture(f"{value}-comparison-{batch_size}", chart, batch_size=batch_size)
    named = file_names(looks)
    for engine in engines:
        rows = frame.where(engine=engine)
        threads = sorted({row["threads"] for row in rows})
        series = Series("threads", threads, about, interval, frame.without_figures(engine=engine))
        chart = batch_chart(rows, "throughput", f"Batch size vs Throughput, {engine}", series)
        yield Picture(f"throughput-{named[engine]}-perBS", chart)


def picture_name(summary: Summary, picture: Picture) -> str:
    """Return the file name of a picture, without ending; it ends with the picture's kind."""
    model = summary.model if len(summary.model) <= _LONGEST_MODEL else safe_name(summary.model, _LONGEST_MODEL)
    return safe_name(f"{model}-{picture.kind}", _LONGEST_PICTURE)


def file_names(engines: Sequence[str]) -> dict[str, str]:
    """Return each engine's part of a file name; engines that differ only in odd characters are numbered apart."""
    return safe_names(engines)

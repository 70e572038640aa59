"""From specifications to files. Many charts are shared among processes, as drawing one takes a fifth of a second.

The other processes are started as `python -m ortbench.charts.drawing` and read what to draw from standard input:
unlike a process pool this asks nothing of the script that calls it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

from ortbench.charts.pages import render
from ortbench.charts.theme import OUTLINE, SCALE

# Fewer charts than this are drawn before another process has started.
_WORTH_A_PROCESS = 8
_MOST_PROCESSES = 4


class Drawing(NamedTuple):
    """One chart to draw.

    Attributes:
        chart: in Vega-Lite.
        path: of the files, without ending.
        script: Vega's script for the interactive page; empty for none.
    """

    chart: dict[str, Any]
    path: str
    script: str = ""


def draw_all(drawings: Iterable[Drawing], expected: int) -> list[Path]:
    """Draw each as PNG and SVG, and as HTML where there is a script; return the files in order.

    Args:
        drawings: made one after the other, while the other processes start.
        expected: about how many there are, by which the number of processes goes.

    Raises:
        OSError: a file cannot be written.
    """
    count = max(1, min(_MOST_PROCESSES, _cpus(), expected // _WORTH_A_PROCESS))
    others = [_Other() for _ in range(1, count)]
    try:
        made = list(drawings)
    except BaseException:
        for other in others:
            other.stop()
        raise
    for place, other in enumerate(others, start=1):
        other.begin(made[place::count])
    for drawing in made[::count]:
        draw(drawing)
    for other in others:
        other.finish()
    return [file for drawing in made for file in files_of(drawing)]


def draw(drawing: Drawing) -> None:
    """Draw one chart."""
    import vl_convert

    png, svg, *pages = files_of(drawing)
    # Each text is measured and then set, which is most of the work, so none is drawn twice, and the picture is made
    # from the drawing.
    picture = finished(vl_convert.vegalite_to_svg(without_doubles(drawing.chart)), drawing.chart["description"])
    svg.write_text(picture, encoding="utf-8")
    png.write_bytes(vl_convert.svg_to_png(picture, scale=SCALE))
    for page in pages:
        address = Path(os.path.relpath(drawing.script, page.parent)).as_posix()
        heading = drawing.chart["title"]
        title = f"{heading['text']}: {heading['subtitle'][0]}"
        page.write_text(render("chart.html.j2", title=title, chart=drawing.chart, script=address), encoding="utf-8")


def without_doubles(chart: dict[str, Any]) -> dict[str, Any]:
    """Return a chart in which each outline is on the text that lies above it, and no longer a text of its own.

    Vega draws a text's outline over it, so that in a browser there must be two. Here `finished` puts it right.
    """
    if "layer" not in chart:
        return chart
    layers: list[dict[str, Any]] = []
    outline = False
    for layer in chart["layer"]:
        if layer["mark"].items() >= OUTLINE.items():
            outline = True
        else:
            layers.append(layer | {"mark": layer["mark"] | OUTLINE} if outline else layer)
            outline = False
    return chart | {"layer": layers}


def finished(picture: str, description: str) -> str:
    """Return an SVG drawing that says what it shows, and whose texts' outlines lie below them."""
    picture = picture.replace("<svg ", f'<svg role="img" aria-label="{escape(description)}" ', 1)
    return re.sub(r'(<text [^>]*stroke="white")', r'\1 paint-order="stroke"', picture)


def files_of(drawing: Drawing) -> list[Path]:
    """Return the files that a drawing makes."""
    return [Path(drawing.path + ending) for ending in (".png", ".svg", *([".html"] if drawing.script else []))]


class _Other:
    """Another process that draws its share; it gets ready while the share is put together."""

    def __init__(self) -> None:
        self._drawings: Sequence[Drawing] = ()
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "ortbench.charts.drawing"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
        )

    def begin(self, drawings: Sequence[Drawing]) -> None:
        """Hand over what it is to draw."""
        self._drawings = drawings
        assert self._process.stdin
        # One that has died is noticed in `finish`.
        with contextlib.suppress(BrokenPipeError), self._process.stdin as pipe:
            pipe.write(json.dumps(drawings).encode())

    def stop(self) -> None:
        """End it: there is nothing to draw after all."""
        self._process.kill()
        self._process.communicate()

    def finish(self) -> None:
        """Wait for it; what it could not draw is drawn here, where the error can be told."""
        if self._process.wait() != 0:
            for drawing in self._drawings:
                draw(drawing)


def _cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _get_ready() -> None:
    """Load Vega, which takes longer than any chart."""
    import vl_convert

    vl_convert.vegalite_to_svg({"mark": "point", "data": {"values": []}})


if __name__ == "__main__":
    _get_ready()
    for words in json.load(sys.stdin):
        draw(Drawing(*words))

"""From specifications to files, in a process of its own: `python -m ortbench.charts.drawing`.

Native code draws, and ends its whole process where it fails: on a text or a font that it does not expect, or
where memory is limited. `painters.py` starts such processes, hands them their share, and reads an answer for each.
"""

from __future__ import annotations

import json
import os
import re
import sys
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

from ortbench.charts.pages import render
from ortbench.charts.theme import OUTLINE, SCALE
from ortbench.writing import write_whole

READY, DRAWN = "ready", "drawn"


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


def draw(drawing: Drawing) -> None:
    """Draw one chart.

    Raises:
        OSError: a file cannot be written.
    """
    import vl_convert

    png, svg, *pages = files_of(drawing)
    # Each text is measured and then set, which is most of the work, so none is drawn twice, and the picture is made
    # from the drawing.
    picture = finished(vl_convert.vegalite_to_svg(without_doubles(drawing.chart)), drawing.chart["description"])
    write_whole(svg, picture.encode(), durable=False)
    write_whole(png, vl_convert.svg_to_png(picture, scale=SCALE), durable=False)
    for page in pages:
        address = Path(os.path.relpath(drawing.script, page.parent)).as_posix()
        heading = drawing.chart["title"]
        title = f"{heading['text']}: {heading['subtitle'][0]}"
        content = render("chart.html.j2", title=title, chart=drawing.chart, script=address)
        write_whole(page, content.encode(), durable=False)


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


def answer_to(drawing: Drawing) -> dict[str, Any]:
    """Draw one chart; return `drawn`, or what went wrong."""
    try:
        draw(drawing)
    except OSError as error:
        return {"errno": error.errno, "strerror": error.strerror, "filename": str(error.filename or drawing.path)}
    except Exception as error:  # noqa: BLE001 - one picture that cannot be drawn costs itself only
        # A backtrace follows the first line.
        return {"failed": f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"}
    return {DRAWN: True}


def _get_ready() -> None:
    """Load Vega, which takes longer than any chart."""
    import vl_convert

    vl_convert.vegalite_to_svg({"mark": "point", "data": {"values": []}})


def _serve() -> None:
    """Answer one line for having got ready, and one for each drawing that standard input holds."""
    # Whatever a library prints must not be taken for an answer.
    with os.fdopen(os.dup(1), "w", encoding="ascii", buffering=1) as answers:
        os.dup2(2, 1)
        _get_ready()
        print(json.dumps({READY: True}), file=answers)
        for words in json.load(sys.stdin):
            print(json.dumps(answer_to(Drawing(*words))), file=answers)


if __name__ == "__main__":
    _serve()

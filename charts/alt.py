"""What a chart shows, in words with its figures, for whoever cannot see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ortbench.units import format_significant

_MOST_FIGURES = 80


def alt_text(title: str, rows: Sequence[Mapping[str, Any]], series: str, place: str, value: str) -> str:
    """Return the title and every figure, series by series: `ort: threads 1 20.1 (19.8 to 20.4), threads 2 …`.

    Args:
        title: of the chart.
        rows: the points.
        series: the column that tells lines apart.
        place: the column of the other axis.
        value: the column of the figures; with `_low` and `_high` beside it where there are intervals, and `state`
            where some are invalid or undecided.
    """
    figures: dict[Any, list[str]] = {}
    for row in rows[:_MOST_FIGURES]:
        figures.setdefault(row[series], []).append(f"{_words(place)} {_words(row[place])} {_figure(row, value)}")
    told = "; ".join(f"{_words(name)}: {', '.join(texts)}" for name, texts in figures.items())
    more = "; and more" if len(rows) > _MOST_FIGURES else ""
    return f"{title}. {told}{more}." if told else f"{title}."


def _figure(row: Mapping[str, Any], value: str) -> str:
    text = format_significant(row[value])
    low, high = row.get(f"{value}_low"), row.get(f"{value}_high")
    if low is not None and high is not None and low != high:
        text += f" ({format_significant(low)} to {format_significant(high)})"
    state = row.get("state", "ok")
    return text if state == "ok" else f"{text} {state}"


def _words(value: Any) -> str:
    return str(value).replace("_", " ")

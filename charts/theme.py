"""How every chart looks: one palette, one size, one set of fonts."""

from __future__ import annotations

from typing import Any

# Okabe and Ito's palette, distinguishable with any colour vision; yellow last, as it is faint on white.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000", "#F0E442")
SHAPES = ("circle", "square", "diamond", "triangle-up", "cross", "triangle-down", "triangle-right", "triangle-left")

WIDTH = 560
HEIGHT = 320
SCALE = 2

CONFIG: dict[str, Any] = {
    "background": "white",
    "font": "sans-serif",
    "title": {"fontSize": 16, "anchor": "start", "subtitleFontSize": 12, "subtitleColor": "#555", "offset": 12},
    "axis": {"labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal", "gridColor": "#e6e6e6"},
    "legend": {"labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal", "symbolSize": 90},
    "view": {"stroke": None, "continuousWidth": WIDTH, "continuousHeight": HEIGHT},
}


def series_scale(names: list[str]) -> dict[str, dict[str, Any]]:
    """Return the colour and shape scales that give each name the same look in every chart."""
    repeat = range(len(names))
    return {
        "color": {"domain": names, "range": [PALETTE[index % len(PALETTE)] for index in repeat]},
        "shape": {"domain": names, "range": [SHAPES[index % len(SHAPES)] for index in repeat]},
    }

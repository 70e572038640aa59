"""How every chart looks: one palette, one size, one set of fonts."""

from __future__ import annotations

from typing import Any

# Okabe and Ito's palette, distinguishable with any colour vision; yellow last, as it is faint on white.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000", "#F0E442")
SHAPES = (
    "circle",
    "square",
    "diamond",
    "triangle-up",
    "cross",
    "triangle-down",
    "triangle-right",
    "triangle-left",
)

# Around figures that a line may cross; `drawing.py` draws it in one go with the figure.
OUTLINE: dict[str, Any] = {"stroke": "white", "strokeWidth": 3}

# Lines that are not an engine: ideals, fronts, the machine itself.
MUTED = "#767676"

WIDTH = 560
HEIGHT = 320
SCALE = 2

CONFIG: dict[str, Any] = {
    "background": "white",
    "font": "sans-serif",
    "title": {
        "fontSize": 16,
        "anchor": "start",
        "subtitleFontSize": 12,
        "subtitleColor": "#555",
        "offset": 12,
    },
    "axis": {"labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal", "gridColor": "#e6e6e6"},
    "legend": {
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "symbolSize": 90,
        "symbolOpacity": 1,
    },
    "point": {"opacity": 1},
    "view": {"stroke": None},
}


# Filled where a point is `valid`, hollow where it is not: the filter of each layer, and its look.
FILLED_AND_HOLLOW: tuple[tuple[str, dict[str, Any]], ...] = (
    ("datum.valid", {"filled": True}),
    ("!datum.valid", {"filled": False, "fill": "white"}),
)


def named_scales(names: list[str]) -> dict[str, dict[str, Any]]:
    """Return the colour and shape scales that give each name the same look in every chart."""
    places = range(len(names))
    return {
        "color": {"domain": names, "range": [PALETTE[place % len(PALETTE)] for place in places]},
        "shape": {"domain": names, "range": [SHAPES[place % len(SHAPES)] for place in places]},
    }


def ordered_scales(numbers: list[int]) -> dict[str, dict[str, Any]]:
    """Return scales for numbers, whose colours run from dark to light in their order; the brightest end is left out."""
    shapes = [SHAPES[place % len(SHAPES)] for place in range(len(numbers))]
    color: dict[str, Any] = {"domain": numbers, "range": [PALETTE[0]]}
    if len(numbers) > 1:
        color = {"domain": numbers, "scheme": {"name": "viridis", "extent": [0, 0.85]}}
    return {"color": color, "shape": {"domain": numbers, "range": shapes}}

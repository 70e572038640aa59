"""The axes that several charts share, and where their ticks stand."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import altair as alt

AXIS_TITLES = {"latency": "Latency per batch (ms)", "throughput": "Throughput (inferences/s)"}

# From this ratio on a linear axis would press the small figures onto each other and onto the axis.
_WIDE = 10
_MOST_TICKS = 9
# Of a power of ten, from what a narrow range wants to what many powers leave room for.
_STEPS = (tuple(step / 10 for step in range(10, 100)), (1, 1.2, 1.5, 2, 3, 4, 5, 7), (1, 2, 5), (1, 3), (1,))


def thread_axis() -> alt.X:
    """Return the axis of thread counts, each at its own place."""
    return alt.X("threads:O", title="Threads", axis=alt.Axis(labelAngle=0))


def batch_axis(sizes: tuple[int, ...]) -> alt.X:
    """Return the log2 axis of batch sizes."""
    return alt.X(
        "batch_size:Q",
        title="Batch size",
        scale=alt.Scale(type="log", base=2, domain=[sizes[0] / 1.15, sizes[-1] * 1.15], nice=False),
        axis=alt.Axis(values=list(sizes), format="d", grid=False),
    )


def value_axis(value: str, ticks: tuple[float, ...] = ()) -> alt.Y:
    """Return the axis of `latency` or `throughput`: from zero, or logarithmic with these ticks."""
    title = AXIS_TITLES[value]
    if not ticks:
        return alt.Y(f"{value}:Q", title=title, scale=alt.Scale(zero=True))
    return alt.Y(f"{value}:Q", title=f"{title}, log scale", scale=log_scale(), axis=log_axis(ticks))


def log_scale(padding: int = 25) -> alt.Scale:
    """Return a logarithmic scale that ends a little beyond the figures, where their labels stand."""
    return alt.Scale(type="log", nice=False, padding=padding)


def log_axis(ticks: Iterable[float]) -> alt.Axis:
    """Return an axis with these ticks and no others, as Vega writes only some of its own."""
    return alt.Axis(values=list(ticks), format=",~g", labelOverlap=True)


def is_wide(values: Iterable[float]) -> bool:
    """Say whether figures are so far apart that only a logarithmic axis shows them all."""
    positive = [value for value in values if value > 0]
    return bool(positive) and max(positive) >= _WIDE * min(positive)


def log_ticks(values: Iterable[Any]) -> tuple[float, ...]:
    """Return where a logarithmic axis of these figures has its ticks.

    They are round numbers within the figures' range and a tenth beyond, the fewer to a power of ten the more powers
    there are; none where no figure is positive.
    """
    positive = [float(value) for value in values if value > 0]
    if not positive:
        return ()
    low, high = min(positive) / 1.1, max(positive) * 1.1
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in _STEPS:
        ticks = [float(f"{step}e{exponent}") for exponent in exponents for step in steps]
        inside = tuple(tick for tick in ticks if low <= tick <= high)
        if len(inside) <= _MOST_TICKS:
            break
    return inside

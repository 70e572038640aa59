"""Whose the advantage is, as a picture: a factor a line, with its interval, on a logarithmic axis round 1."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import altair as alt

from ortbench.charts.alt import alt_text
from ortbench.charts.axes import log_axis, log_scale, log_ticks
from ortbench.charts.decision_marks import color_of, finish
from ortbench.charts.decisions import Picture
from ortbench.charts.frames import Row
from ortbench.charts.theme import MUTED, OUTLINE
from ortbench.results.ratio import Ratio
from ortbench.results.summary import BestAgainstBest, Summary
from ortbench.units import quantity

_LINE_HEIGHT = 34
_LABEL_SIZE = 10
_SHAPES = {"allocator": "circle", "split": "circle", "engine": "circle", "together": "diamond"}


def best_pictures(summary: Summary) -> Iterator[Picture]:
    """Yield one picture for each lane, batch size and objective; nothing where only one way was measured."""
    for one in summary.best:
        if rows := factor_rows(one, summary.baseline):
            lane = f"-{one.precision}" if one.precision != "fp32" else ""
            chart = factor_chart(rows, one, summary)
            yield Picture(f"whose-advantage-{one.objective}-{one.batch_size}{lane}", chart, batch_size=one.batch_size)


def factor_rows(one: BestAgainstBest, baseline: str) -> list[Row]:
    """Return a row for each factor: allocator, split, then each engine and all together."""
    best = one.engines[0].way
    factors: list[tuple[str, str, str, Ratio | None]] = [
        (baseline, "allocator", best.allocator, one.allocator),
        (baseline, "split", best.layout, one.split),
    ]
    others = [way for way in one.engines if way.engine != baseline]
    factors += [(way.engine, "engine", way.engine, way.over_best) for way in others]
    factors += [(way.engine, "together", way.engine, way.over_plain) for way in others]
    return [
        {
            "factor": f"{kind}: {name}",
            "kind": kind,
            "engine": engine,
            "ratio": ratio.value,
            "ratio_low": ratio.ci95[0] if ratio.ci95 else ratio.value,
            "ratio_high": ratio.ci95[1] if ratio.ci95 else ratio.value,
            "ratio_label": f"{ratio.value:.2f}x",
        }
        for engine, kind, name, ratio in factors
        if ratio is not None
    ]


def factor_chart(rows: list[Row], one: BestAgainstBest, summary: Summary) -> dict[str, Any]:
    """Return the forest of factors."""
    base = alt.Chart(alt.InlineData(values=rows)).encode(
        y=alt.Y("factor:N", sort=[row["factor"] for row in rows], title=None, axis=alt.Axis(labelLimit=320))
    )
    values = [1, *(row[name] for row in rows for name in ("ratio_low", "ratio_high"))]
    x = alt.X(
        "ratio:Q", title=f"Times better than {summary.baseline}", scale=log_scale(), axis=log_axis(log_ticks(values))
    )
    color = color_of(summary.engines, rows)
    shape = alt.Shape("kind:N", scale=alt.Scale(domain=list(_SHAPES), range=list(_SHAPES.values())), legend=None)
    bar = base.mark_rule(strokeWidth=2).encode(x=alt.X("ratio_low:Q"), x2="ratio_high:Q", color=color)
    point = base.mark_point(size=80, filled=True, opacity=1).encode(x=x, color=color, shape=shape)
    figures = base.encode(x=x, text="ratio_label:N")
    place: dict[str, Any] = {"dy": -10, "fontSize": _LABEL_SIZE}
    text = [figures.mark_text(**place, **OUTLINE), figures.mark_text(**place)]
    same = alt.Chart(alt.InlineData(values=[{"one": 1}])).mark_rule(strokeDash=[5, 4], color=MUTED).encode(x="one:Q")
    return finish(
        alt.layer(same, bar, *text, point),
        f"Whose advantage, {one.objective} at batch size {one.batch_size}",
        _subtitle(one, summary),
        alt_text(f"Times better than {summary.baseline}", rows, "kind", "factor", "ratio"),
        _LINE_HEIGHT * len(rows),
    )


def _subtitle(one: BestAgainstBest, summary: Summary) -> list[str]:
    lane = f" · {one.precision}" if one.precision != "fp32" else ""
    together = f"{quantity(one.launches, 'launch', 'launches')} in which all of it ran in the same rounds"
    intervals = (
        f"{'95 % intervals' if one.launches > 1 else 'no intervals yet'}, {together}"
        if one.paired
        else f"{'in part ' * bool(one.launches)}not paired: the widest intervals that the cells' own figures allow"
    )
    return [
        f"{summary.model}{lane} · {summary.baseline} as it comes: {one.plain.told}",
        f"what {summary.baseline} gains by allocator and split x what is the engine's = together",
        intervals,
    ]

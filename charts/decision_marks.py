"""The pictures that help to decide, built with Altair from rows that hold every figure already."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt

from ortbench.charts.alt import alt_text
from ortbench.charts.axes import AXIS_TITLES, batch_axis, log_axis, log_scale, log_ticks, thread_axis
from ortbench.charts.decision_frames import COLD_PARTS
from ortbench.charts.frames import Row
from ortbench.charts.hollow import hollow_note, lines_of
from ortbench.charts.labels import with_places
from ortbench.charts.marks import VALIDATE
from ortbench.charts.theme import CONFIG, FILLED_AND_HOLLOW, HEIGHT, MUTED, OUTLINE, PALETTE, WIDTH, named_scales

_LABEL_SIZE = 10
# More bars than this side by side leave no room for figures that lie flat.
_MOST_FLAT_LABELS = 18


def speedup_chart(rows: list[Row], engines: Sequence[str], baseline: str, about: str, interval: str) -> dict[str, Any]:
    """Return speedup against batch size, both axes logarithmic: twice as fast is as far above 1 as half is below."""
    placed = with_places(rows, "ratio", "batch_size", lowest=1)
    base = alt.Chart(alt.InlineData(values=placed)).encode(x=batch_axis(tuple(_distinct(rows, "batch_size"))))
    ticks = log_ticks([1, *(row[name] for row in rows for name in ("ratio_low", "ratio_high"))])
    y = alt.Y("ratio:Q", title=f"Speedup over {baseline}", scale=log_scale(), axis=log_axis(ticks))
    color = engine_color(engines, rows)
    line = base.mark_line(strokeWidth=2).encode(y=y, color=color)
    bar = base.mark_rule(strokeWidth=1.5).encode(y=alt.Y("ratio_low:Q"), y2="ratio_high:Q", color=color)
    points = _points(base, y, color)
    figures = base.encode(y=alt.Y("ratio_place:Q"), text="ratio_label:N")
    place: dict[str, Any] = {"dx": 9, "align": "left", "baseline": "middle", "fontSize": _LABEL_SIZE}
    text = [figures.mark_text(**place, **OUTLINE), figures.mark_text(**place).encode(color=color)]
    same = alt.Chart(alt.InlineData(values=[{"one": 1}])).mark_rule(strokeDash=[5, 4], color=MUTED).encode(y="one:Q")
    bounded = any(row["ratio_low"] != row["ratio_high"] for row in rows)
    notes = [f"vertical lines: {interval}" if bounded else "without intervals: too few launches, or none given"]
    return finish(
        alt.layer(same, line, bar, *text, *points),
        "Speedup vs Batch size",
        [about, *lines_of([*notes, "dashed: as fast as the baseline", hollow_note(rows)])],
        alt_text(f"Speedup over {baseline}", rows, "engine", "batch_size", "ratio"),
    )


def pareto_chart(rows: list[Row], engines: Sequence[str], about: str) -> dict[str, Any]:
    """Return throughput against latency: the front that nothing beats in both, with the chosen point named."""
    base = alt.Chart(alt.InlineData(values=rows))
    scale, (across, up) = log_scale(), (log_axis(log_ticks(_column(rows, name))) for name in ("latency", "throughput"))
    x = alt.X("latency:Q", title=AXIS_TITLES["latency"], scale=scale, axis=across)
    y = alt.Y("throughput:Q", title=AXIS_TITLES["throughput"], scale=scale, axis=up)
    front = base.transform_filter("datum.front")
    line = front.mark_line(color=MUTED, strokeDash=[5, 4], interpolate="step-after").encode(x=x, y=y)
    opacity = alt.condition("datum.front", alt.value(1), alt.value(0.35))
    points = _points(base.encode(x=x, opacity=opacity), y, engine_color(engines, rows))
    chosen = base.transform_filter("datum.chosen")
    ring = chosen.mark_point(size=260, color=MUTED, strokeWidth=2).encode(x=x, y=y)
    name = chosen.mark_text(dx=14, align="left", fontSize=12, fontWeight="bold", lineBreak="\n").encode(
        x=x, y=y, text="label:N"
    )
    outline = chosen.mark_text(dx=14, align="left", fontSize=12, fontWeight="bold", lineBreak="\n", **OUTLINE)
    notes = ["dashed: the front, where more throughput costs latency", "ring: the most throughput for its latency"]
    return finish(
        alt.layer(line, *points, ring, outline.encode(x=x, y=y, text="label:N"), name),
        "Latency vs Throughput",
        [about, *lines_of([*notes, hollow_note(rows)])],
        alt_text(
            "Latency vs Throughput, the front", [row for row in rows if row["front"]], "name", "latency", "throughput"
        ),
    )


def scaling_chart(rows: list[Row], engines: Sequence[str], about: str) -> dict[str, Any]:
    """Return the share of each thread's power that is used, against the thread count; the ideal line is 100 %."""
    base = alt.Chart(alt.InlineData(values=rows)).encode(x=thread_axis())
    y = alt.Y("efficiency:Q", title="Scaling efficiency", axis=alt.Axis(format="%"), scale=alt.Scale(zero=True))
    color = engine_color(engines, rows)
    line = base.mark_line(strokeWidth=2).encode(y=y, color=color)
    few = len(_distinct(rows, "threads")) * len(_distinct(rows, "engine")) <= 12
    text = base.mark_text(dy=-12, fontSize=_LABEL_SIZE).encode(y=y, text="efficiency_label:N", color=color)
    ideal = alt.Chart(alt.InlineData(values=[{"ideal": 1}])).mark_rule(strokeDash=[5, 4], color=MUTED)
    layers = [ideal.encode(y="ideal:Q"), line, *([text] if few else []), *_points(base, y, color)]
    notes = ["latency with one thread ÷ (threads · latency with so many)", "dashed: ideal", hollow_note(rows)]
    return finish(
        alt.layer(*layers),
        "Threads vs Scaling efficiency",
        [about, *lines_of(notes)],
        alt_text("Scaling efficiency", rows, "engine", "threads", "efficiency"),
    )


def winner_chart(rows: list[Row], unwon: list[Row], engines: Sequence[str], about: str) -> dict[str, Any]:
    """Return the fastest engine for every thread count and batch size, and by how much it leads the next.

    A lead that may be chance is a hollow tile; a cell without two figures says why.
    """
    base = alt.Chart(alt.InlineData(values=rows)).encode(
        x=thread_axis(), y=alt.Y("batch_size:O", title="Batch size", sort="ascending")
    )
    color = engine_color(engines, rows, always=True)
    tiles = base.transform_filter("datum.valid").mark_rect(stroke="white").encode(color=color)
    # A band's whole width would put neighbours' frames onto each other.
    inset: dict[str, Any] = {"width": {"band": 0.94}, "height": {"band": 0.86}}
    frames = base.transform_filter("!datum.valid").mark_rect(filled=False, fill="white", strokeWidth=2, **inset)
    size = 12 if len(_distinct([*rows, *unwon], "threads")) <= 8 else 9
    text = base.mark_text(fontSize=size).encode(
        text="lead_label:N", color=alt.condition("datum.valid", alt.value("white"), alt.value("black"))
    )
    empty = base.properties(data=alt.InlineData(values=unwon)).mark_text(fontSize=size, color=MUTED, fontStyle="italic")
    layers = [tiles, frames.encode(color=color), text, *([empty.encode(text="why:N")] if unwon else [])]
    notes = ["figures: how far it leads the next"]
    notes += ["hollow and ?: the lead may be chance"] if not all(row["valid"] for row in rows) else []
    return finish(
        alt.layer(*layers),
        "The fastest engine",
        [about, *lines_of(notes)],
        alt_text(
            "The fastest engine and its lead",
            [row | {"cell": f"batch size {row['batch_size']} threads {row['threads']}"} for row in rows],
            "cell",
            "engine",
            "lead",
        ),
    )


def cold_chart(rows: list[Row], about: str) -> dict[str, Any]:
    """Return what a first use takes, in s, stacked in the order in which it happens."""
    chart = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_bar(height={"band": 0.6})
        .encode(
            y=alt.Y("engine:N", title=None, sort=_distinct(rows, "engine", ordered=False)),
            x=alt.X("seconds:Q", title="Seconds from an empty process to steady calls"),
            order=alt.Order("place:Q"),
            color=alt.Color(
                "part:N",
                scale=alt.Scale(domain=list(COLD_PARTS), range=[PALETTE[4], PALETTE[0], PALETTE[1], PALETTE[5]]),
                legend=alt.Legend(title="First use"),
            ),
        )
    )
    height = 40 * len(_distinct(rows, "engine", ordered=False)) + 20
    return finish(
        chart,
        "First use",
        [about, "medians over launches; never part of a comparison"],
        alt_text("First use, seconds", rows, "engine", "part", "seconds"),
        height,
    )


def memory_chart(rows: list[Row], engines: Sequence[str], about: str) -> dict[str, Any]:
    """Return each engine's memory by batch size: pale to the peak resident set, full to the proportional set size."""
    present = [engine for engine in engines if any(row["engine"] == engine for row in rows)]
    base = alt.Chart(alt.InlineData(values=rows)).encode(
        x=alt.X("batch_size:O", title="Batch size", axis=alt.Axis(labelAngle=0)),
        xOffset=alt.XOffset("engine:N", sort=present),
    )
    color = engine_color(engines, rows)
    known = [row for row in rows if row["pss"] is not None]
    valid, hollow = base.transform_filter("datum.valid"), base.transform_filter("!datum.valid")
    peak = alt.Y("memory:Q", title="Memory of the process (MiB)")
    # Figures stand beside each other while there is room, and upright where there is not.
    few = len(rows) <= _MOST_FLAT_LABELS
    above: dict[str, Any] = {"dy": -7} if few else {"angle": 270, "align": "left", "dx": 4}
    layers = [valid.mark_bar(opacity=0.35 if known else 1).encode(y=peak, color=color)]
    layers += [hollow.mark_bar(filled=False, strokeWidth=2).encode(y=peak, color=color)]
    layers += [valid.mark_bar().encode(y="pss:Q", color=color)] if known else []
    layers += [base.mark_text(fontSize=_LABEL_SIZE, **above).encode(y=peak, text="memory_label:N")]
    if known and few:
        layers.append(base.mark_text(fontSize=_LABEL_SIZE, dy=9).encode(y="pss:Q", text="pss_label:N"))
    told = [alt_text("Peak resident memory, MiB", rows, "engine", "batch_size", "memory")]
    told += [alt_text("Proportional set size, MiB", known, "engine", "batch_size", "pss")] if known else []
    shown = "full bars: proportional set size; pale: peak resident set" if known else "peak resident set"
    notes = lines_of([f"{shown}, of the whole process, so far as the launch got", hollow_note(rows)])
    return finish(alt.layer(*layers), "Memory", [about, *notes], " ".join(told))


def samples_chart(rows: list[Row], engines: Sequence[str], about: str) -> dict[str, Any]:
    """Return how each arm's calls are distributed: the share of them that took at most so long."""
    chart = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_line(interpolate="step-after", strokeWidth=2)
        .encode(
            x=alt.X(
                "latency:Q",
                title=AXIS_TITLES["latency"],
                axis=log_axis(log_ticks(_column(rows, "latency"))),
                scale=log_scale(padding=0),
            ),
            y=alt.Y("share:Q", title="Share of calls", axis=alt.Axis(format="%")),
            color=engine_color(engines, rows),
        )
    )
    return finish(
        chart,
        "Distribution of calls",
        [about, "every call of the rounds that count"],
        alt_text("Distribution of calls, ms", _middles(rows), "engine", "share", "latency"),
    )


def rounds_chart(rows: list[Row], speed: list[Row], engines: Sequence[str], about: str) -> dict[str, Any]:
    """Return how the rounds went over time, with disturbed ones crossed, and the machine's own speed behind them."""
    base = alt.Chart(alt.InlineData(values=rows)).encode(x=alt.X("started:Q", title="Seconds since the study began"))
    ticks = log_ticks(_column([*rows, *speed], "relative"))
    y = alt.Y("relative:Q", title="Latency ÷ its median", scale=log_scale(padding=5), axis=log_axis(ticks))
    quiet = base.transform_filter("datum.valid").mark_point(filled=True, size=14, opacity=0.6)
    cross = base.transform_filter("!datum.valid").mark_point(
        shape="cross", size=45, angle=45, color="#b00020", opacity=0.8
    )
    machine = alt.Chart(alt.InlineData(values=speed)).mark_line(color=MUTED, strokeWidth=1, opacity=0.7)
    layers = [machine.encode(x="started:Q", y=y)] if speed else []
    layers += [quiet.encode(y=y, color=engine_color(engines, rows)), cross.encode(y=y)]
    notes = ("grey line: a fixed small computation, the machine's own speed" if speed else "") + (
        "; crosses: rounds that something else disturbed" if not all(row["valid"] for row in rows) else ""
    )
    return finish(
        alt.layer(*layers),
        "Rounds over time",
        [about, *([notes.removeprefix("; ")] if notes else [])],
        _told_rounds(rows),
    )


def _points(base: alt.Chart, y: alt.Y, color: alt.Color) -> list[alt.Chart]:
    """Return the filled and the hollow points of a chart."""
    return [
        base.transform_filter(test).mark_point(size=70, **filling).encode(y=y, color=color)
        for test, filling in FILLED_AND_HOLLOW
    ]


def _column(rows: list[Row], name: str) -> list[float]:
    return [row[name] for row in rows]


def _middles(rows: list[Row]) -> list[Row]:
    """Return of each engine the point at which half of its calls are done."""
    return [
        next(row for row in rows if row["engine"] == engine and row["share"] >= 0.5)
        for engine in _distinct(rows, "engine", ordered=False)
    ]


def _told_rounds(rows: list[Row]) -> str:
    disturbed = sum(not row["valid"] for row in rows)
    return f"Rounds over time. {len(rows)} slices are drawn, {disturbed} of them disturbed."


def engine_color(engines: Sequence[str], rows: list[Row], *, always: bool = False) -> alt.Color:
    """Return the colour that an engine has in every chart; a legend only where there is something to tell apart."""
    present = [engine for engine in engines if any(row["engine"] == engine for row in rows)]
    legend = alt.Legend(title="Engine", values=present, symbolOpacity=1) if always or len(present) > 1 else None
    return alt.Color("engine:N", scale=alt.Scale(**named_scales(list(engines))["color"]), legend=legend)


def _distinct(rows: list[Row], column: str, *, ordered: bool = True) -> list[Any]:
    values = list(dict.fromkeys(row[column] for row in rows))
    return sorted(values) if ordered else values


def finish(chart: Any, title: str, subtitle: list[str], alt: str, height: int = HEIGHT) -> dict[str, Any]:
    """Return the specification with its title, what is told instead of it, and the look that all have."""
    specification: dict[str, Any] = chart.to_dict(validate=VALIDATE)
    return specification | {
        "description": alt,
        "title": {"text": title, "subtitle": subtitle},
        "width": WIDTH,
        "height": height,
        "config": CONFIG,
    }

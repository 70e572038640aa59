"""The roofline chart and what stands beside it in the report."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import pytest

from ortbench.charts.decisions import Picture, decision_pictures
from ortbench.charts.drawing import Drawing, draw
from ortbench.charts.report import build_report
from ortbench.charts.roofline_marks import labelled, roofline_rows
from ortbench.charts.table import footer
from ortbench.charts.theme import PALETTE
from ortbench.results.roofline import ABOVE, Peaks, Work, share_of_peak
from ortbench.results.study import Results
from ortbench.results.summary import ArmSummary, CellSummary, Latency, Summary

WORK = Work(flops_per_item=8_000_000_000, weight_bytes=100_000_000, activation_bytes_per_item=80_000_000)
PEAKS = {
    1: Peaks(threads=1, gflop_per_s=100, gbyte_per_s=12, product="numpy, 512 x 512", stream="copy"),
    2: Peaks(threads=2, gflop_per_s=200, gbyte_per_s=20, product="onnxruntime, 512 x 512", stream="add"),
}


def arm(engine: str, batch_size: int, threads: int, latency: float, *, twin: bool = False) -> ArmSummary:
    rate = 1000 * batch_size / latency
    share = share_of_peak(WORK, PEAKS[threads], batch_size, rate)
    return ArmSummary(
        engine=engine, twin=twin, latency_ms=Latency(median=latency), throughput_per_s=rate, roofline=share
    )


def study(per_item_ms: dict[str, float], batch_sizes: tuple[int, ...] = (1, 4, 16)) -> Summary:
    cells = tuple(
        CellSummary(
            model="m",
            batch_size=size,
            threads=threads,
            arms=(
                *(arm(engine, size, threads, size * each / threads) for engine, each in per_item_ms.items()),
                arm("a", size, threads, size * 100.0, twin=True),
            ),
        )
        for threads in PEAKS
        for size in batch_sizes
    )
    engines = ("a", "b", "c")
    return Summary(
        model="m", baseline="a", engines=engines, paired=True, machine={}, cells=cells, peaks=tuple(PEAKS.values())
    )


def pictures(summary: Summary, *, every: bool = False) -> list[Picture]:
    return [each for each in decision_pictures(summary, "", None, every=every) if each.kind == "roofline"]


def test_rows_hold_every_arm_but_twins() -> None:
    rows = roofline_rows(study({"a": 200, "b": 80}, (1, 16)).cells[2:])
    assert [(row["engine"], row["batch_size"], row["label"]) for row in rows] == [
        ("a", 1, "batch 1: 40%"),
        ("b", 1, "batch 1: 100%"),
        ("a", 16, "batch 16: 40%"),
        ("b", 16, "batch 16: 100%"),
    ]
    assert (rows[0]["intensity"], rows[0]["achieved"]) == (pytest.approx(8000 / 180), pytest.approx(80))


def test_there_is_one_chart_a_layout_in_the_report_and_the_greatest_in_the_gallery() -> None:
    found = study({"a": 200, "b": 80})
    assert [picture.threads for picture in pictures(found)] == [2]
    assert [picture.threads for picture in pictures(found, every=True)] == [1, 2]


def test_without_a_share_there_is_no_chart_and_no_line() -> None:
    cells = (
        CellSummary(model="m", batch_size=1, threads=2, arms=(ArmSummary(engine="a", latency_ms=Latency(median=1)),)),
    )
    bare = Summary(model="m", baseline="a", engines=("a",), paired=True, machine={}, cells=cells)
    assert pictures(bare) == []
    assert footer(bare) == []


def test_the_chart_says_its_figures_in_words_and_keeps_the_engines_colours(tmp_path: Path) -> None:
    [picture] = pictures(study({"a": 200, "c": 50}))
    chart: dict[str, Any] = picture.chart
    assert chart["description"] == (
        "Share of the attainable peak, %. a: batch size 1 40.0, batch size 4 40.0, batch size 16 40.0; "
        "c: batch size 1 160, batch size 4 160, batch size 16 160. The most measured here: "
        "200 GFLOP/s (onnxruntime, 512 x 512) and 20.0 GB/s (add)."
    )
    assert chart["title"]["subtitle"] == [
        "m · 2 threads",
        "thick line: the most measured here, 200 GFLOP/s (onnxruntime, 512 x 512) and 20.0 GB/s (add)",
        "figures: batch size and share of that",
        "above it: less was done than is counted, or more is possible than was measured",
    ]
    colors = [layer["encoding"].get("color", {}) for layer in chart["layer"]]
    scales = [color["scale"] for color in colors if "scale" in color]
    assert scales
    assert all(scale["range"][:3] == list(PALETTE[:3]) and scale["domain"] == ["a", "b", "c"] for scale in scales)
    draw(Drawing(chart, str(tmp_path / "roofline")))
    svg = (tmp_path / "roofline.svg").read_text(encoding="utf-8")
    assert all(text in svg for text in ("batch 1: 40%", "batch 16: 160%", "20.0 GB/s", "200 GFLOP/s"))


def rows_of(sizes: tuple[int, ...], intensity: float, engines: int = 3) -> list[dict[str, Any]]:
    return [
        {"engine": f"e{number}", "batch_size": size, "intensity": size**intensity, "achieved": 100.0}
        for size in sizes
        for number in range(engines)
    ]


def test_names_stand_apart_on_the_sides_of_the_outermost_columns() -> None:
    named = labelled(rows_of((1, 4, 16), 0.5), 10, 1000)
    assert [(row["batch_size"], row["side"]) for row in named] == [(1, "left")] * 3 + [(16, "right")] * 3
    places = sorted(row["place"] for row in named if row["side"] == "left")
    assert all(math.log(high / low) > 0.2 for low, high in itertools.pairwise(places))


def test_in_one_column_every_point_is_named_while_there_is_room() -> None:
    assert [row["side"] for row in labelled(rows_of((1, 4, 16), 0), 10, 1000)] == ["right"] * 9
    many = labelled(rows_of((1, 2, 4, 8, 16, 32), 0), 10, 1000)
    assert {row["batch_size"] for row in many} == {32}


def test_the_report_explains_shares_and_what_is_above_a_roof() -> None:
    summary = study({"a": 200, "c": 50})
    page = build_report(Results(Path("x"), summary), "1.2.3")
    assert "Of peak: the floating-point operations that an engine does in a second" in page
    [above] = [line for line in footer(summary) if line.startswith("above the roof")]
    assert above.startswith("above the roof: c in 6 of 6 cells, up to 160% at batch size ")
    assert above.endswith(f": {ABOVE['arithmetic']}")
    assert f"A{above[1:]}.".replace("'", "&#39;") in page
    assert page.count("<h3>Roofline</h3>") == 2

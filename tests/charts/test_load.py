"""The picture of latency under a load, and the table's tail."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from ortbench.charts.decisions import Record, decision_pictures
from ortbench.charts.drawing import Drawing
from ortbench.charts.load import depth, tail_rows, told_rows
from ortbench.charts.painters import draw_all
from ortbench.charts.table import build_table
from ortbench.charts.vega import vega_script
from ortbench.results.derive import summarize
from ortbench.results.loadgen import LoadRun
from ortbench.results.schema import ArmKey, CellKey, PlannedCell, RoundRecord
from ortbench.results.summary import Summary
from tests.results.factory import MS, make_launches, make_run

CELL = PlannedCell(
    key=CellKey(model="m", batch_size=1, threads=2, load="poisson@20/s"), arms=(ArmKey("torch"), ArmKey("ort"))
)


def lines_of(samples_ms: dict[str, list[float]]) -> list[RoundRecord]:
    return [
        RoundRecord(
            cell=CELL.key.id,
            launch=launch,
            round=1,
            position=0,
            engine=engine,
            started_s=0.0,
            samples_ns=tuple(round(sample * MS) for sample in samples),
            wall_ns=10**9,
            items=len(samples),
            loadgen=LoadRun(
                seeds=(1, 2, 3),
                queries=len(samples),
                valid=True,
                scheduled_ns=10**9,
                busy_ns=5 * 10**8,
                calls=len(samples),
                bound_ns=100 * MS,
            ),
        )
        for engine, samples in samples_ms.items()
        for launch in range(1, 6)
    ]


@pytest.fixture(scope="module")
def study() -> tuple[Summary, Record]:
    lines = lines_of({"torch": [20 + place / 10 for place in range(600)], "ort": [10.0] * 540 + [30.0] * 60})
    launches = make_launches(["torch", "ort"], 5, CELL.key.id)
    return summarize(make_run(cells=(CELL,)), lines, launches), Record([CELL], lines)


@given(st.lists(st.floats(0.001, 1e4), min_size=1, max_size=400))
def test_a_curve_never_falls_and_holds_the_fastest_and_the_slowest(samples: list[float]) -> None:
    rows = tail_rows(CELL, lines_of({"ort": samples})[:1])
    for before, after in itertools.pairwise(rows):
        assert before["latency"] <= after["latency"]
        assert before["depth"] < after["depth"]
    assert rows[0]["depth"] == 0
    assert rows[0]["latency"] == pytest.approx(min(samples), rel=1e-3, abs=1e-6)
    assert rows[-1]["latency"] == pytest.approx(max(samples), rel=1e-3, abs=1e-6)


def test_each_nine_is_as_wide_as_the_last() -> None:
    assert [depth(share) for share in (0, 0.9, 0.99, 0.999)] == pytest.approx([0, 1, 2, 3])


@pytest.mark.parametrize(("count", "told"), [(19, []), (20, ["50"]), (200, ["50", "95"]), (1000, ["50", "95", "99"])])
def test_a_figure_stands_where_ten_queries_took_longer(count: int, told: list[str]) -> None:
    rows = told_rows(CELL, lines_of({"ort": [float(place + 1) for place in range(count)]})[:1])
    assert [row["percentile"] for row in rows] == told
    assert [row["latency"] for row in rows] == pytest.approx([1 + (count - 1) * int(percent) / 100 for percent in told])


def test_the_tails_figures_carry_the_tables_intervals(study: tuple[Summary, Record]) -> None:
    summary, record = study
    [cell] = summary.cells
    told = {(row["engine"], row["percentile"]): row for row in told_rows(CELL, record.rounds)}
    for arm in cell.arms:
        assert arm.latency_ms is not None
        row = told[arm.engine, "99"]
        assert (row["latency"], (row["latency_low"], row["latency_high"])) == (
            arm.latency_ms.p99,
            arm.latency_ms.p99_ci95,
        )
        assert told[arm.engine, "50"]["latency"] == pytest.approx(arm.latency_ms.median)


def test_a_cell_under_a_load_has_a_picture_of_its_tail_and_none_of_calls(
    study: tuple[Summary, Record], tmp_path: Path
) -> None:
    summary, record = study
    pictures = {one.kind: one for one in decision_pictures(summary, "poisson@20/s", record, every=True)}
    assert "samples" not in pictures
    # Everybody gets done what arrives, so there is nothing to weigh.
    assert "latency-vs-throughput" not in pictures
    chart = pictures["load"].chart
    assert chart["title"]["text"] == "Latency under load"
    assert "torch busy 50% · ort busy 50%" in chart["title"]["subtitle"]
    assert chart["description"] == (
        "Latency under load, ms. torch: percentile 50 50.0, percentile 95 76.9 (76.3 to 77.6), "
        "percentile 99 79.3 (79.0 to 79.7); "
        "ort: percentile 50 10.0, percentile 95 30.0, percentile 99 30.0."
    )
    (tmp_path / "vega.js").write_text(vega_script(None))
    drawn = draw_all([Drawing(chart, str(tmp_path / "load"), str(tmp_path / "vega.js"))], 1)
    assert {path.suffix for path in drawn} == {".png", ".svg", ".html"}


def test_the_table_has_a_tail_and_names_the_load_once(study: tuple[Summary, Record]) -> None:
    console = Console(width=160, no_color=True)
    with console.capture() as capture:
        console.print(build_table(study[0]))
    title, *rest = capture.get().splitlines()
    assert title.strip() == "m, baseline torch, batch size 1, threads 2, poisson@20/s"
    [ort] = [row for row in rest if row.strip().startswith("ort ")]
    assert "p99 30.0 [30.0, 30.0]" in ort

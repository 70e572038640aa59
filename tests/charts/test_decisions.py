from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ortbench.charts import decision_frames as frames
from ortbench.charts.decisions import Record, decision_pictures
from ortbench.charts.record_frames import round_rows, sample_rows, speed_rows, spread
from ortbench.results.schema import ArmKey, CellKey, PlannedCell, RoundRecord
from ortbench.results.summary import ArmSummary, CellSummary, Cold, Latency, Speedup, Summary
from ortbench.results.verdicts import Verdict


def arm(engine: str, latency: float, ratio: float | None = None, verdict: Verdict = "faster") -> ArmSummary:
    speedup = None
    if ratio is not None:
        speedup = Speedup(baseline="a", ratio=ratio, ci95=(ratio * 0.9, ratio * 1.1), verdict=verdict)
    return ArmSummary(
        engine=engine,
        latency_ms=Latency(median=latency, ci95=(latency * 0.9, latency * 1.1)),
        throughput_per_s=1000 / latency,
        speedup=speedup,
        memory_mib=100.0,
        cold=Cold(import_s=1.0, load_s=2.0, first_call_ms=500.0, time_to_steady_s=0.75),
    )


def cell(*arms: ArmSummary, batch_size: int = 1, threads: int = 1) -> CellSummary:
    return CellSummary(model="m", batch_size=batch_size, threads=threads, arms=arms)


def summary(*cells: CellSummary) -> Summary:
    return Summary(model="m", baseline="a", engines=("a", "b", "c"), paired=True, machine={}, cells=cells)


def test_a_speedup_that_may_be_chance_is_hollow() -> None:
    rows = frames.speedup_rows([cell(arm("a", 2), arm("b", 1, 2.0), arm("c", 2, 1.0, "inconclusive"))])
    assert [(row["engine"], row["ratio_label"], row["valid"]) for row in rows] == [
        ("b", "2.00x", True),
        ("c", "1.00x", False),
    ]
    assert (rows[0]["ratio_low"], rows[0]["ratio_high"]) == pytest.approx((1.8, 2.2))


@given(st.lists(st.tuples(st.floats(0.1, 1e4), st.floats(0.1, 1e4)), min_size=1, max_size=20))
def test_nothing_beats_the_front_and_everything_else_is_beaten(points: list[tuple[float, float]]) -> None:
    cells = [
        cell(ArmSummary(engine="a", latency_ms=Latency(median=latency), throughput_per_s=throughput))
        for latency, throughput in points
    ]
    rows = frames.pareto_rows(cells)
    for row in rows:
        beaten = any(
            other is not row
            and other["latency"] <= row["latency"]
            and other["throughput"] >= row["throughput"]
            and (other["latency"], other["throughput"]) != (row["latency"], row["throughput"])
            for other in rows
        )
        assert not (row["front"] and beaten)
        twin_on_front = any(
            other["front"] and (other["latency"], other["throughput"]) == (row["latency"], row["throughput"])
            for other in rows
        )
        assert row["front"] or beaten or twin_on_front
    [chosen] = [row for row in rows if row["chosen"]]
    assert chosen["front"]


def test_efficiency_is_over_one_thread_and_missing_without_it() -> None:
    rows = frames.scaling_rows([cell(arm("a", 8)), cell(arm("a", 4), arm("b", 1), threads=4)])
    assert [(row["threads"], row["efficiency"]) for row in rows] == [(1, 1.0), (4, 0.5)]
    assert frames.scaling_rows([cell(arm("a", 8))]) == []


def test_a_first_use_is_stacked_without_counting_the_first_call_twice() -> None:
    rows = frames.cold_rows([cell(arm("a", 1)), cell(arm("a", 1), batch_size=4)])
    assert [(row["part"], row["seconds"]) for row in rows] == [
        ("import", 1.0),
        ("load", 2.0),
        ("first call", 0.5),
        ("until steady", 0.25),
    ]


@pytest.mark.parametrize(
    ("arms", "label"),
    [
        ((arm("a", 2), arm("b", 1, 2.0)), "2.00x"),
        ((arm("a", 2), arm("b", 1, 2.0, "inconclusive")), "2.00x ?"),
        ((arm("a", 1), arm("b", 2, 0.5, "slower")), "2.00x"),
        # Neither is the baseline: their intervals over it are apart, or they are not.
        ((arm("a", 4), arm("b", 1, 4.0), arm("c", 2, 2.0)), "2.00x"),
        ((arm("a", 4), arm("b", 2, 2.0), arm("c", 2.1, 1.9)), "1.05x ?"),
    ],
)
def test_a_lead_is_shown_where_it_is_more_than_chance(arms: tuple[ArmSummary, ...], label: str) -> None:
    [row] = frames.winner_rows([cell(*arms)], "a")
    assert row["lead_label"] == label


def test_there_is_no_winner_of_one() -> None:
    assert frames.winner_rows([cell(arm("a", 1))], "a") == []


KEY = CellKey(model="m", batch_size=1, threads=1)
PLANNED = PlannedCell(key=KEY, arms=(ArmKey("a"), ArmKey("b"), ArmKey("a", twin=True)))


def line(number: int, engine: str, *samples: int, twin: bool = False, spoiled: str | None = None) -> RoundRecord:
    return RoundRecord(
        cell=KEY.id,
        launch=1,
        round=number,
        position=0,
        engine=engine,
        twin=twin,
        started_s=float(number),
        samples_ns=samples,
        spoiled=spoiled,
        sentinel_ns=1000 + number,
    )


def test_samples_are_a_distribution_of_what_counts() -> None:
    lines = [
        line(1, "a", 2_000_000, 1_000_000),
        line(1, "a", 9_000_000, twin=True),
        line(2, "a", 4_000_000),
        line(3, "a", 8_000_000, spoiled="x"),
    ]
    rows = sample_rows([PLANNED], lines)
    assert [(row["latency"], row["share"]) for row in rows] == [(1.0, 0.33333), (2.0, 0.66667), (4.0, 1.0)]


def test_rounds_are_drawn_against_time_and_every_disturbed_one_is_kept() -> None:
    lines = [line(number, "a", 1000 * (2 if number == 500 else 1)) for number in range(1, 1000)]
    lines += [line(1000, "a", 1000, spoiled="steal")]
    rows = round_rows([PLANNED], lines)
    assert len(rows) <= 302
    assert (rows[0]["started"], rows[0]["relative"]) == (1.0, 1.0)
    assert [row["started"] for row in rows if not row["valid"]] == [1000.0]
    assert speed_rows(lines)[0] == {"started": 1.0, "relative": pytest.approx(0.667, abs=0.01)}
    assert speed_rows([]) == []


@given(st.integers(0, 5000), st.integers(2, 400))
def test_places_are_spread_from_the_first_to_the_last(count: int, most: int) -> None:
    places = spread(count, most)
    assert len(places) == min(count, most)
    assert places == sorted(set(places))
    assert not places or (places[0], places[-1]) == (0, count - 1)


def test_the_gallery_gets_one_picture_of_each_kind_and_the_report_all() -> None:
    cells = [
        cell(arm("a", 4.0 * size / count), arm("b", 2.0 * size / count, 2.0), batch_size=size, threads=count)
        for size in (1, 2)
        for count in (1, 2)
    ]
    lines = [line(number, engine, 1000) for number in (1, 2) for engine in "ab"]
    record = Record([PLANNED], lines)
    few = [picture.kind for picture in decision_pictures(summary(*cells), "", record)]
    assert sorted(few) == ["fastest-engine", "first-use", "latency-vs-throughput", "memory", "scaling", "speedup"]
    every = list(decision_pictures(summary(*cells), "", record, every=True))
    assert [(p.threads, p.batch_size) for p in every if p.kind == "speedup"] == [(1, None), (2, None)]
    assert [(p.threads, p.batch_size) for p in every if p.kind == "scaling"] == [(None, 1), (None, 2)]
    assert [(p.kind, p.threads, p.batch_size) for p in every if p.batch_size and p.threads] == [
        ("samples", 1, 1),
        ("rounds", 1, 1),
    ]
    for picture in every:
        assert picture.chart["description"].endswith(".")

"""No chart shows a cell as better known than it is: hollow marks, captions, and cells without a figure."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ortbench.charts import decision_frames as frames
from ortbench.charts.alt import alt_text
from ortbench.charts.axes import is_wide, log_ticks
from ortbench.charts.decisions import Record, decision_pictures
from ortbench.charts.frames import chart_frames
from ortbench.charts.gallery import gallery_pictures
from ortbench.charts.hollow import hollow_note, lines_of, missing_note, standing
from ortbench.results.summary import ArmSummary, CellSummary, Latency, Speedup, Summary
from ortbench.results.verdicts import Verdict
from tests.charts.test_decisions import KEY, PLANNED, line

CAPTION = "hollow: no difference from the baseline shown"


def arm(engine: str, latency: float, verdict: Verdict | None = None, **changes: object) -> ArmSummary:
    speedup = Speedup(baseline="a", ratio=8 / latency, ci95=(0.9, 1.1), verdict=verdict) if verdict else None
    fields: dict[str, object] = {
        "latency_ms": Latency(median=latency, ci95=(latency * 0.9, latency * 1.1)),
        "throughput_per_s": 1000 / latency,
        "speedup": speedup,
        "rounds": 9,
        "memory_mib": 100.0,
    }
    return ArmSummary(engine=engine, **{**fields, **changes})  # type: ignore[arg-type]  # any of its fields


def study(verdict: Verdict, **changes: object) -> Summary:
    """Two engines, two batch sizes, two thread counts; `b` has the verdict in every cell."""
    cells = [
        CellSummary(model="m", batch_size=size, threads=threads, arms=(arm("a", 8), arm("b", 4, verdict, **changes)))
        for size in (1, 2)
        for threads in (1, 2)
    ]
    return Summary(model="m", baseline="a", engines=("a", "b"), paired=True, machine={}, cells=tuple(cells))


def pictures(summary: Summary) -> dict[str, list[str]]:
    """Return the subtitle of every picture of the gallery and of those that help to decide."""
    record = Record([PLANNED], [line(number, engine, 1000) for number in (1, 2) for engine in "ab"])
    [frame] = chart_frames(summary)
    drawn = [*gallery_pictures(summary, frame), *decision_pictures(summary, "", record, every=True)]
    return {picture.kind: picture.chart["title"]["subtitle"] for picture in drawn}


@pytest.mark.parametrize("verdict", ["inconclusive", "withheld"])
def test_every_picture_of_an_undecided_engine_says_so(verdict: Verdict) -> None:
    told = pictures(study(verdict))
    # Memory and first use are not compared, and a heat map and a distribution have words of their own.
    apart = {"memory", "first-use", "fastest-engine", "samples", "rounds", "throughput-a-perBS"}
    for kind, subtitle in told.items():
        assert (CAPTION in "; ".join(subtitle)) == (kind not in apart), kind
    assert "hollow and ?: the lead may be chance" in told["fastest-engine"][1]
    assert "no difference from the baseline shown: b" in told["samples"][0]
    assert "no difference from the baseline shown: b" in told["rounds"][0]


def test_nothing_is_said_of_hollow_marks_where_there_are_none() -> None:
    assert not [kind for kind, subtitle in pictures(study("faster")).items() if "hollow" in "; ".join(subtitle)]


def test_an_invalid_engine_is_hollow_wherever_it_is_drawn() -> None:
    told = pictures(study("faster", status="invalid"))
    for kind in ("latency-1", "latency-comparison-2", "throughput-b-perBS", "memory"):
        assert "hollow: invalid or failed, not to be compared" in "; ".join(told[kind]), kind


@pytest.mark.parametrize(
    ("state", "changes"),
    [
        ("ok", {}),
        ("undecided", {"verdict": "inconclusive"}),
        ("undecided", {"verdict": "withheld"}),
        ("ok", {"verdict": "same"}),
        ("failed", {"status": "failed"}),
        ("invalid", {"status": "invalid", "verdict": "faster"}),
    ],
)
def test_an_arm_stands_as_its_status_and_its_verdict_say(state: str, changes: dict[str, object]) -> None:
    assert standing(arm("b", 4, **changes)) == state  # type: ignore[arg-type]  # any of its fields


def test_one_launch_decides_nothing_and_a_figure_from_a_csv_without_bounds_is_taken_as_it_is() -> None:
    unbounded = Speedup(baseline="a", ratio=2, ci95=None, verdict="inconclusive")
    assert standing(arm("b", 4, speedup=unbounded)) == "undecided"
    assert standing(arm("b", 4, speedup=unbounded, rounds=0)) == "ok"


def test_both_reasons_for_a_hollow_mark_are_named() -> None:
    rows = [{"state": state} for state in ("ok", "undecided", "invalid")]
    assert hollow_note(rows) == f"{CAPTION}, or invalid or failed, not to be compared"
    assert hollow_note(rows[:1]) == ""


def test_points_without_a_figure_are_counted_with_the_reason() -> None:
    assert missing_note(["skipped", "skipped", "failed"], 5) == "5 of 8 points drawn, 2 skipped and 1 failed"
    assert missing_note([], 5) == ""
    skipped = arm("b", 4, latency_ms=None, status="skipped")
    cells = [
        CellSummary(model="m", batch_size=1, threads=count, arms=(arm("a", 8), arm("b", 4) if count == 1 else skipped))
        for count in (1, 2)
    ]
    summary = Summary(model="m", baseline="a", engines=("a", "b"), paired=True, machine={}, cells=tuple(cells))
    assert "3 of 4 points drawn, 1 skipped" in pictures(summary)["latency-comparison-1"][1]
    assert "1 of 2 points drawn, 1 skipped" in pictures(summary)["throughput-b-perBS"][1]
    assert frames.unwon_rows(cells, "a") == [{"batch_size": 1, "threads": 2, "why": "skipped"}]


def test_the_lead_is_the_paired_one_where_there_is_one() -> None:
    # The latencies say 2, the rounds say 1.5: believe the rounds.
    paired = arm("b", 4, speedup=Speedup(baseline="a", ratio=1.5, ci95=(1.4, 1.6), verdict="faster"))
    [row] = frames.winner_rows([CellSummary(model="m", batch_size=1, threads=1, arms=(arm("a", 8), paired))], "a")
    assert (row["engine"], row["lead_label"]) == ("b", "1.50x")


def test_words_for_who_cannot_see_name_what_is_hollow() -> None:
    rows = [{"engine": "b", "threads": 1, "latency": 2.0, "state": "undecided"}]
    assert alt_text("T", rows, "engine", "threads", "latency") == "T. b: threads 1 2.00 undecided."


def test_long_captions_take_several_lines() -> None:
    assert lines_of(["a" * 50, "b" * 30, "", "c" * 30]) == ["a" * 50 + "; " + "b" * 30, "c" * 30]
    assert lines_of(["x" * 200]) == ["x" * 200]


def test_a_wide_range_wants_a_logarithmic_axis() -> None:
    assert is_wide([1, 10])
    assert not is_wide([1, 9.9])
    assert not is_wide([])


@given(st.lists(st.floats(1e-3, 1e7), min_size=1, max_size=30))
def test_ticks_are_few_and_within_reach_of_the_figures(figures: list[float]) -> None:
    ticks = log_ticks(figures)
    assert list(ticks) == sorted(set(ticks))
    assert all(min(figures) / 1.1 <= tick <= max(figures) * 1.1 for tick in ticks)
    assert len(ticks) <= 11
    if max(figures) >= 10 * min(figures):
        assert ticks, "a whole power of ten has a tick"
    assert all(math.isfinite(tick) for tick in ticks)


def test_nothing_positive_has_no_ticks() -> None:
    assert log_ticks([0.0]) == ()


def test_the_made_up_record_is_of_the_studys_first_cell() -> None:
    assert study("same").cells[0].key == KEY

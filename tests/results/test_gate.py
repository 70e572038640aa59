from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ortbench.errors import UsageError
from ortbench.results.csv_input import summarize_csv_text
from ortbench.results.derive import summarize
from ortbench.results.gate import Answer, GateReport, decide, judge
from ortbench.results.gate_figures import LAUNCHES_NEEDED, SAMPLES_NEEDED, paired_speedup
from ortbench.results.percentiles import FEWEST_LAUNCHES, PooledCalls
from ortbench.results.requirements import Operator, parse_requirement
from ortbench.results.schema import LaunchRecord, RoundRecord
from ortbench.results.statistics import LogEstimate
from ortbench.results.summary import ArmSummary, CellSummary, Latency, Speedup, Summary
from ortbench.results.verdicts import Verdict
from tests.results.factory import make_launches, make_rounds, make_run

LONGER = "a longer --max-time makes more launches"
WITHHELD = (
    "the study's verdicts are withheld here: its baseline differs from its own twin; `ortbench doctor` looks for the "
    "reason"
)
HEADER = "engine,batch_size,threads,latency_ms,latency_low_ms,latency_high_ms"


def an_arm(engine: str, **fields: object) -> ArmSummary:
    return ArmSummary(**{"engine": engine, "latency_ms": Latency(median=10, ci95=(9, 10)), **fields})  # type: ignore[arg-type]  # a test names fields freely


def a_speedup(ratio: float, low: float, high: float, verdict: Verdict = "faster") -> Speedup:
    return Speedup(baseline="torch", ratio=ratio, ci95=(low, high), verdict=verdict)


def a_summary(*arms: ArmSummary, cells: Sequence[tuple[int, int]] = ((1, 2),)) -> Summary:
    """A paired study of a model `m` with the same arms in every cell, given by batch size and threads."""
    return Summary(
        model="m",
        baseline="torch",
        engines=tuple(arm.engine for arm in arms),
        paired=True,
        machine={},
        cells=tuple(CellSummary(model="m", batch_size=size, threads=count, arms=arms) for size, count in cells),
    )


def check(summary: Summary, *texts: str, rounds: Sequence[RoundRecord] = ()) -> GateReport:
    return decide([parse_requirement(text) for text in texts], summary, rounds)


def only(report: GateReport) -> Answer:
    [answer] = report.answers
    return answer


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("ort/torch >= 1.5", "pass"),
        ("ort/torch >= 1.8", "pass"),
        ("ort/torch >= 1.9", "inconclusive"),
        ("ort/torch >= 2.2", "inconclusive"),
        ("ort/torch >= 2.21", "fail"),
        ("ort/torch <= 2.5", "pass"),
        ("ort/torch <= 2.2", "pass"),
        ("ort/torch <= 2.1", "inconclusive"),
        ("ort/torch <= 1.8", "inconclusive"),
        ("ort/torch <= 1.79", "fail"),
    ],
)
def test_a_speedup_is_decided_on_its_whole_interval(text: str, outcome: str) -> None:
    answer = only(check(a_summary(an_arm("torch"), an_arm("ort", speedup=a_speedup(2, 1.8, 2.2))), text))
    assert (answer.outcome, answer.value, answer.interval, answer.note) == (outcome, 2, (1.8, 2.2), None)


grid = st.integers(1, 20)


@given(st.sampled_from([">=", "<="]), grid, st.tuples(grid, grid))
def test_the_decision_is_that_of_every_point_of_the_interval(
    operator: Operator, limit: int, ends: tuple[int, int]
) -> None:
    points = range(min(ends), max(ends) + 1)
    satisfied = {point >= limit if operator == ">=" else point <= limit for point in points}
    expected = "inconclusive" if len(satisfied) == 2 else "pass" if True in satisfied else "fail"
    assert judge(operator, limit, min(ends), max(ends)) == expected


def test_the_baseline_over_an_engine_is_the_inverse() -> None:
    answer = only(check(a_summary(an_arm("torch"), an_arm("ort", speedup=a_speedup(2, 1.6, 2.5))), "torch/ort <= 0.7"))
    assert answer.outcome == "pass"
    assert answer.value == pytest.approx(0.5)
    assert answer.interval == pytest.approx((0.4, 0.625))


def test_without_an_interval_nothing_passes_and_nothing_fails() -> None:
    reason = "there is one launch, which says nothing about the next"
    speedup = Speedup(baseline="torch", ratio=2, ci95=None, verdict="inconclusive", no_interval=reason)
    arm = an_arm(
        "ort",
        launches=1,
        latency_ms=Latency(median=10, p99=20, no_interval=reason),
        speedup=speedup,
        throughput_per_s=1000.0,
        memory_mib=600.0,
    )
    summary = a_summary(an_arm("torch"), arm)
    figures = ("ort/torch", "torch/ort", "latency(ort)", "p99(ort)", "throughput(ort)", "memory(ort)")
    for operator in (">=", "<="):
        report = check(summary, *(f"{figure} {operator} {limit}" for figure in figures for limit in (0.001, 1e6)))
        assert {answer.outcome for answer in report.answers} == {"inconclusive"}
        assert report.exit_status == 3
        assert {answer.note for answer in report.answers} == {
            f"no interval: {reason}; {LONGER}",
            f"no interval: that of p99 takes 5 launches, and there are 1; {LONGER}",
            f"no interval: there is one launch; {LONGER}",
        }
        assert all(answer.value is not None for answer in report.answers)


def test_a_csv_without_intervals_decides_nothing_and_says_which_columns_would() -> None:
    summary = summarize_csv_text("engine,batch_size,threads,latency_ms,memory_mib\na,1,1,10,50\nb,1,1,5,60\n", "x", "x")
    report = check(summary, "b/a >= 1", "latency(a) <= 99", "throughput(a) >= 1", "memory(b) <= 999")
    assert [(answer.outcome, answer.note) for answer in report.answers] == [
        ("inconclusive", f"no interval: a CSV gives it in the columns {low} and {high}")
        for low, high in (
            ("latency_low_ms", "latency_high_ms"),
            ("latency_low_ms", "latency_high_ms"),
            ("throughput_low_per_s", "throughput_high_per_s"),
            ("memory_low_mib", "memory_high_mib"),
        )
    ]


def test_a_csvs_own_intervals_decide() -> None:
    columns = "throughput_per_s,throughput_low_per_s,throughput_high_per_s,memory_mib,memory_low_mib,memory_high_mib"
    summary = summarize_csv_text(f"{HEADER},{columns}\na,1,1,10,9,11,100,90,110,50,49,51\n", "x", "x")
    texts = ("latency(a) <= 11", "throughput(a) >= 91", "throughput(a) >= 130", "memory(a) <= 51")
    assert [answer.outcome for answer in check(summary, *texts).answers] == ["pass", "inconclusive", "fail", "pass"]
    derived = summarize_csv_text(f"{HEADER}\na,4,1,10,8,12.5\n", "x", "x")
    answer = only(check(derived, "throughput(a) >= 300"))
    assert answer.interval == pytest.approx((320, 500))


def test_latency_and_percentiles_are_decided_on_their_own_intervals() -> None:
    latency = Latency(median=10, ci95=(9, 11), p90=12, p90_ci95=(11, 13), p95=14, p95_ci95=(13, 15), p99=20)
    report = check(
        a_summary(an_arm("ort", latency_ms=latency)),
        "latency(ort) <= 0.011s",
        "p90(ort) <= 12.5ms",
        "p95(ort) <= 12",
        "p99(ort) <= 20",
    )
    assert [(answer.outcome, answer.interval) for answer in report.answers] == [
        ("pass", (9, 11)),
        ("inconclusive", (11, 13)),
        ("fail", (13, 15)),
        ("inconclusive", None),
    ]


def test_throughput_and_memory_are_decided_on_their_own_intervals() -> None:
    arm = an_arm("ort", throughput_per_s=1000.0, throughput_ci95=(950, 1050), memory_mib=600.0, memory_ci95=(590, 600))
    texts = ("throughput(ort) >= 950", "throughput(ort) >= 1000", "throughput(ort) >= 1100", "memory(ort) <= 0.5GiB")
    report = check(a_summary(arm), *texts)
    assert [(answer.outcome, answer.value, answer.note) for answer in report.answers] == [
        ("pass", 1000, None),
        ("inconclusive", 1000, None),
        ("fail", 1000, None),
        ("fail", 600, None),
    ]


def test_of_many_cells_one_that_fails_narrowly_is_inconclusive_and_one_that_fails_clearly_fails() -> None:
    def fails(upper: float, cells: int) -> list[str]:
        narrow = a_summary(an_arm("torch"), an_arm("ort", launches=8, speedup=a_speedup(1.1, 1.0, upper)))
        sound = a_summary(an_arm("torch"), an_arm("ort", launches=8, speedup=a_speedup(1.3, 1.25, 1.4)))
        summary = msgspec.structs.replace(
            narrow,
            cells=(
                *narrow.cells,
                *(msgspec.structs.replace(sound.cells[0], batch_size=size) for size in range(2, cells + 1)),
            ),
        )
        report = check(summary, "ort/torch >= 1.2")
        return [report.outcome, *(answer.note or "" for answer in report.answers[:1])]

    spared = "of so many requirements and cells one would fail by as much by chance"
    assert fails(1.19, 1) == ["fail", ""]
    assert fails(1.19, 20) == ["inconclusive", spared]
    assert fails(1.11, 20) == ["fail", ""]


def test_a_gate_whose_requirements_all_hold_narrowly_hardly_ever_fails_by_chance() -> None:
    generator = random.Random(3)
    alone = together = 0
    studies = 400
    for _ in range(studies):
        answers = []
        cells = []
        for size in range(1, 21):
            known = LogEstimate(tuple(math.log(1.2) + generator.gauss(0, 0.02) for _ in range(8)))
            speedup = Speedup(baseline="torch", ratio=known.value, ci95=known.interval(), verdict="faster")
            arms = (an_arm("torch"), an_arm("ort", speedup=speedup, launches=8))
            cells.append(CellSummary(model="m", batch_size=size, threads=2, arms=arms))
            answers.append(judge(">=", 1.2, *(speedup.ci95 or (0, 9))))
        summary = msgspec.structs.replace(a_summary(*arms), cells=tuple(cells))
        alone += "fail" in answers
        together += check(summary, "ort/torch >= 1.2").outcome == "fail"
    # Each cell by itself fails in 2.5 of 100 studies, so that of twenty one does in 40.
    assert alone > 0.3 * studies
    assert together <= 0.05 * studies


@pytest.mark.parametrize(
    ("text", "arm", "note"),
    [
        ("p99(ort) <= 1", an_arm("ort", samples=312), "p99 takes 1000 samples, and there are 312"),
        ("p90(ort) <= 1", an_arm("ort"), "p90 takes 100 samples, and none are on record"),
        ("memory(ort) <= 1", an_arm("ort"), "no memory is on record"),
        ("throughput(ort) >= 1", an_arm("ort"), "no throughput is on record"),
        ("ort/torch >= 1", an_arm("ort"), "ort has no speedup over torch on record"),
        ("torch/ort >= 1", an_arm("ort"), "ort has no speedup over torch on record"),
    ],
)
def test_what_is_not_on_record_is_inconclusive_and_says_why(text: str, arm: ArmSummary, note: str) -> None:
    answer = only(check(a_summary(an_arm("torch"), arm), text))
    assert (answer.outcome, answer.value, answer.interval, answer.note) == ("inconclusive", None, None, note)


@pytest.mark.parametrize(("quantity", "needed"), SAMPLES_NEEDED.items())
def test_the_samples_that_are_asked_for_are_those_that_a_percentile_takes(quantity: str, needed: int) -> None:
    percent = int(quantity.removeprefix("p"))
    assert PooledCalls([range(needed - 1)]).percentile(percent) is None
    assert PooledCalls([range(needed)]).percentile(percent) is not None
    assert LAUNCHES_NEEDED == FEWEST_LAUNCHES


@pytest.mark.parametrize("text", ["ort/torch >= 1", "torch/ort >= 1", "latency(ort) <= 1"])
def test_an_arm_that_did_not_work_is_inconclusive_with_its_reason(text: str) -> None:
    broken = an_arm("ort", status="invalid", reason="outputs differ")
    answer = only(check(a_summary(an_arm("torch"), broken), text))
    assert (answer.outcome, answer.value, answer.note) == ("inconclusive", None, "ort invalid: outputs differ")


def test_two_arms_that_did_not_work_are_both_named() -> None:
    arms = an_arm("torch", status="failed", reason="died"), an_arm("ort", status="skipped")
    assert only(check(a_summary(*arms), "ort/torch >= 1")).note == "ort skipped; torch failed: died"


def test_withheld_verdicts_decide_nothing_but_memory() -> None:
    arm = an_arm("ort", speedup=a_speedup(2, 1.9, 2.1, "withheld"), memory_mib=9.0, memory_ci95=(8, 9))
    report = check(a_summary(an_arm("torch"), arm), "ort/torch >= 1", "ort/torch >= 9", "latency(ort) <= 99")
    assert [(answer.outcome, answer.value, answer.note) for answer in report.answers] == [
        ("inconclusive", 2, WITHHELD),
        ("inconclusive", 2, WITHHELD),
        ("inconclusive", 10, WITHHELD),
    ]
    assert only(check(a_summary(arm), "memory(ort) <= 10")).outcome == "pass"


def test_the_baseline_of_a_cell_that_is_doubted_decides_nothing_either() -> None:
    summary = a_summary(an_arm("torch"))
    doubted = msgspec.structs.replace(
        summary, cells=(msgspec.structs.replace(summary.cells[0], doubt="it differs from its twin"),)
    )
    assert only(check(summary, "latency(torch) <= 99")).outcome == "pass"
    assert only(check(doubted, "latency(torch) <= 99")).outcome == "inconclusive"


def test_twins_have_no_part() -> None:
    twin = an_arm("torch", twin=True, latency_ms=Latency(median=99))
    summary = a_summary(twin, an_arm("torch"), an_arm("ort", speedup=a_speedup(2, 2, 2)))
    assert only(check(summary, "latency(torch) <= 10")).outcome == "pass"
    only_twin = a_summary(twin, an_arm("ort"))
    with pytest.raises(UsageError, match="has the engine 'torch'. Its cells have: ort."):
        check(only_twin, "latency(torch) <= 10")


def test_every_cell_has_its_own_answer_and_where_chooses_among_them() -> None:
    summary = a_summary(an_arm("ort"), cells=[(1, 1), (1, 2), (4, 2)])
    everywhere = check(summary, "latency(ort) <= 10")
    assert [(answer.cell.batch_size, answer.cell.threads) for answer in everywhere.answers] == [(1, 1), (1, 2), (4, 2)]
    some = check(summary, "latency(ort) <= 10 where threads=2, batch_size=4")
    assert only(some).cell.batch_size == 4
    assert len(check(summary, "latency(ort) <= 10 where model=m, precision=fp32, mode=single").answers) == 3


def test_a_requirement_that_matches_no_cell_lists_what_there_is() -> None:
    with pytest.raises(UsageError) as caught:
        check(a_summary(an_arm("ort"), cells=[(1, 1), (4, 1)]), "latency(ort) <= 10 where batch_size=64")
    assert str(caught.value) == (
        "No cell matches 'latency(ort) <= 10ms where batch_size=64'. There is: model m; precision fp32; "
        "batch_size 1, 4; threads 1; instances 1; mode single; allocator default."
    )


def test_an_engine_that_no_cell_has_lists_those_that_they_have() -> None:
    with pytest.raises(UsageError) as caught:
        check(a_summary(an_arm("torch"), an_arm("ort")), "ort:cuda/torch >= 1")
    assert str(caught.value) == (
        "No cell of 'ort:cuda/torch >= 1' has the engine 'ort:cuda'. Its cells have: torch, ort."
    )


def test_a_cell_that_lacks_an_engine_is_inconclusive() -> None:
    summary = summarize_csv_text(f"{HEADER}\na,1,1,10,9,11\nb,1,1,4,4,4\na,4,1,40,,\n", "x.csv", "x")
    first, second = check(summary, "b/a >= 2").answers
    assert first.outcome == "pass"
    assert (second.outcome, second.note) == ("inconclusive", "b was not measured in this cell")


@pytest.mark.parametrize(
    ("texts", "outcome", "status"),
    [
        (["ort/torch >= 1"], "pass", 0),
        (["ort/torch >= 1", "ort/torch >= 2"], "inconclusive", 3),
        (["ort/torch >= 1", "ort/torch >= 2", "ort/torch >= 3"], "fail", 1),
    ],
)
def test_one_fail_fails_the_whole_else_one_inconclusive_leaves_it_open(
    texts: list[str], outcome: str, status: int
) -> None:
    report = check(a_summary(an_arm("torch"), an_arm("ort", speedup=a_speedup(2, 1.8, 2.2))), *texts)
    assert (report.outcome, report.exit_status) == (outcome, status)


def test_a_csvs_speedup_has_the_widest_interval_whichever_engine_is_the_baseline() -> None:
    text = f"{HEADER}\na,1,1,100,90,110\nb,1,1,50,45,55\nc,1,1,25,20,30\n"
    summary = summarize_csv_text(text, "x.csv", "x")
    direct, swapped, other = check(summary, "b/a >= 1", "a/b >= 1", "c/b >= 1").answers
    speedup = summary.cells[0].arms[1].speedup
    assert speedup is not None
    assert (direct.value, direct.interval) == (speedup.ratio, speedup.ci95)
    assert swapped.interval == pytest.approx((45 / 110, 55 / 90))
    assert other.value == 2
    assert other.interval == pytest.approx((45 / 30, 55 / 20))


LATENCIES = {
    "torch": [[80.0, 82.0], [81.0, 80.0], [78.0, 80.0]],
    "ort": [[40.0, 40.5], [40.0, 40.0], [39.0, 40.0]],
    "null": [[20.0, 20.5], [20.5, 20.0], [19.5, 20.5]],
}


def a_study(
    latencies: Mapping[str, Sequence[Sequence[float]]], launches: Sequence[LaunchRecord] | None = None
) -> tuple[Summary, list[RoundRecord]]:
    rounds = make_rounds(latencies)
    made = launches or make_launches(list(latencies), 3)
    return summarize(make_run(tuple(latencies)), rounds, made), rounds


def test_a_speedup_over_another_engine_than_the_baseline_is_paired_by_round() -> None:
    summary, rounds = a_study(LATENCIES)
    answer = only(check(summary, "null/ort >= 1", rounds=rounds))
    as_baseline, _ = a_study({"ort": LATENCIES["ort"], "null": LATENCIES["null"]})
    expected = as_baseline.cells[0].arms[1].speedup
    assert expected is not None
    assert (answer.value, answer.interval, answer.note) == (expected.ratio, expected.ci95, None)


def test_slow_spells_cancel_between_engines_that_are_not_the_baseline() -> None:
    spells = [1.0, 2.0, 0.5]
    latencies = {"torch": [[80.0], [80.0], [80.0]], "a": [[40 * s] for s in spells], "b": [[20 * s] for s in spells]}
    summary, rounds = a_study(latencies)
    assert only(check(summary, "b/a >= 1", rounds=rounds)).interval == pytest.approx((2, 2))


def test_the_paired_speedup_agrees_with_the_summary_where_the_baseline_has_a_part() -> None:
    summary, rounds = a_study(LATENCIES)
    cell = summary.cells[0]
    for arm in cell.arms[1:]:
        assert arm.speedup is not None
        estimate = paired_speedup(rounds, arm.engine, "torch", cell.key.id)
        inverse = paired_speedup(rounds, "torch", arm.engine, cell.key.id)
        assert estimate is not None
        assert inverse is not None
        assert (estimate.value, estimate.interval()) == (arm.speedup.ratio, arm.speedup.ci95)
        answer = only(check(summary, f"torch/{arm.engine} >= 1", rounds=rounds))
        assert answer.value == pytest.approx(inverse.value)
        assert answer.interval == pytest.approx(inverse.interval())


def test_two_engines_are_compared_although_the_baseline_failed() -> None:
    launches = [
        msgspec.structs.replace(launch, status="failed", reason="died") if launch.engine == "torch" else launch
        for launch in make_launches(list(LATENCIES), 3)
    ]
    summary, rounds = a_study(LATENCIES, launches)
    over_baseline, between = check(summary, "ort/torch >= 1", "null/ort >= 1.5", rounds=rounds).answers
    assert (over_baseline.outcome, over_baseline.note) == ("inconclusive", "torch failed: died")
    assert between.outcome == "pass"


def test_rounds_of_other_cells_have_no_part() -> None:
    rounds = [*make_rounds(LATENCIES), *make_rounds({"ort": [[9.0]], "null": [[1.0]]}, cell="b4-t2")]
    estimate = paired_speedup(rounds, "null", "ort", "b4-t2")
    assert estimate is not None
    assert math.isclose(estimate.value, 9)
    assert estimate.interval() is None


def test_engines_that_share_no_round_are_inconclusive() -> None:
    rounds = make_rounds({"torch": [[80.0, 80.0]], "ort": [[40.0]]})
    rounds += [msgspec.structs.replace(line, launch=2) for line in make_rounds({"null": [[20.0]]})]
    summary = summarize(make_run(tuple(LATENCIES)), rounds, make_launches(list(LATENCIES), 2))
    answer = only(check(summary, "null/ort >= 1", rounds=rounds))
    assert (answer.outcome, answer.note) == ("inconclusive", "no round that counts has both null and ort")


def test_without_the_rounds_two_speedups_over_the_baseline_bound_the_third() -> None:
    summary = a_summary(
        an_arm("torch"), an_arm("a", speedup=a_speedup(2, 1.6, 2.5)), an_arm("b", speedup=a_speedup(4, 3.2, 5))
    )
    answer = only(check(summary, "b/a >= 1.25"))
    assert (answer.outcome, answer.value) == ("pass", 2)
    assert answer.interval == pytest.approx((3.2 / 2.5, 5 / 1.6))
    assert answer.note == "not paired: the widest that both speedups over torch allow"

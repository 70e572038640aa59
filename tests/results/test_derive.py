from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ortbench.results.derive import summarize
from ortbench.results.schema import ArmKey, LaunchRecord
from ortbench.results.statistics import LogEstimate
from ortbench.results.summary import ArmSummary, Summary
from tests.results.factory import MS, make_launches, make_rounds, make_run


def arm(summary: Summary, engine: str, cell: int = 0) -> ArmSummary:
    found = summary.cells[cell].arm(engine)
    assert found is not None
    return found


def test_a_speedup_is_the_baselines_latency_over_the_arms() -> None:
    rounds = make_rounds({"torch": [[80, 82], [80, 80], [78, 80]], "ort": [[40, 41], [40, 40], [39, 40]]})
    summary = summarize(make_run(), rounds, make_launches(["torch", "ort"], 3))
    ort = arm(summary, "ort")
    assert ort.speedup is not None
    assert ort.speedup.ratio == pytest.approx(2)
    assert ort.speedup.ci95 == pytest.approx((2, 2))
    assert ort.speedup.verdict == "faster"
    assert ort.target_met is True
    assert arm(summary, "torch").speedup is None
    assert (ort.rounds, ort.launches, ort.samples) == (6, 3, 6)
    assert ort.throughput_per_s == pytest.approx(6 / 0.24, rel=1e-3)


def test_a_burst_on_one_arm_does_not_move_the_speedup() -> None:
    calm = {"torch": [[80.0] * 5] * 3, "ort": [[40.0] * 5] * 3}
    burst = {"torch": [[80.0] * 5] * 3, "ort": [[40.0, 40, 120, 40, 40]] * 3}
    launches = make_launches(["torch", "ort"], 3)
    first, second = (arm(summarize(make_run(), make_rounds(r), launches), "ort") for r in (calm, burst))
    assert first.speedup == second.speedup


def test_slow_spells_of_the_machine_cancel() -> None:
    spells = [1.0, 1.6, 0.9, 2.5]
    rounds = make_rounds({"torch": [[80 * s for s in spells]] * 4, "ort": [[40 * s for s in spells]] * 4})
    speedup = arm(summarize(make_run(), rounds, make_launches(["torch", "ort"], 4)), "ort").speedup
    assert speedup is not None
    assert speedup.ci95 == pytest.approx((2, 2))


def test_one_launch_gives_figures_without_intervals() -> None:
    summary = summarize(
        make_run(), make_rounds({"torch": [[80, 80]], "ort": [[40, 40]]}), make_launches(["torch", "ort"], 1)
    )
    ort = arm(summary, "ort")
    assert ort.speedup is not None
    assert ort.speedup.ratio == pytest.approx(2)
    assert ort.speedup.ci95 is None
    assert ort.speedup.verdict == "inconclusive"
    assert ort.latency_ms is not None
    assert ort.latency_ms.ci95 is None
    assert ort.target_met is False


@pytest.mark.parametrize("status", ["failed", "invalid"])
def test_an_arm_that_ever_went_wrong_gets_no_speedup(status: str) -> None:
    launches = make_launches(["torch", "ort"], 2)
    launches += make_launches(["ort"], 1, status=status, reason="it broke")
    summary = summarize(make_run(), make_rounds({"torch": [[80], [80]], "ort": [[40], [40]]}), launches)
    ort = arm(summary, "ort")
    assert (ort.status, ort.reason, ort.speedup) == (status, "it broke", None)
    assert ort.latency_ms is not None
    assert ort.latency_ms.median == 40


def test_without_a_baseline_there_is_no_speedup() -> None:
    launches = [*make_launches(["ort"], 2), *make_launches(["torch"], 1, status="failed", reason="gone")]
    summary = summarize(make_run(), make_rounds({"ort": [[40], [40]]}), launches)
    assert arm(summary, "ort").status == "ok"
    assert arm(summary, "ort").speedup is None


def test_an_arm_that_never_had_its_turn_is_skipped_with_the_reason() -> None:
    summary = summarize(make_run(), [], [])
    assert (arm(summary, "ort").status, arm(summary, "ort").reason) == ("skipped", "the study ended before its turn")


def test_an_interrupted_study_says_so() -> None:
    summary = summarize(make_run(state="interrupted"), [], [])
    assert summary.notes == ("this study is interrupted: figures are of what was measured so far",)


@given(st.lists(st.lists(st.floats(0.01, 1e4), min_size=1, max_size=4), min_size=2, max_size=5))
def test_the_latency_lies_within_its_interval(launches: list[list[float]]) -> None:
    summary = summarize(make_run(["torch"]), make_rounds({"torch": launches}), make_launches(["torch"], len(launches)))
    latency = arm(summary, "torch").latency_ms
    assert latency is not None
    if latency.ci95 is None:
        assert latency.no_interval
        return
    assert latency.ci95[0] <= latency.median <= latency.ci95[1]
    assert latency.min is not None
    assert latency.max is not None
    assert latency.min * (1 - 1e-11) <= latency.median <= latency.max * (1 + 1e-11)


def test_cold_figures_are_medians_over_launches() -> None:
    rounds = make_rounds({"torch": [[80], [80]]})
    launches = make_launches(["torch"], 2, warm_up_ns=(500_000_000,))
    cold = arm(summarize(make_run(["torch"]), rounds, launches), "torch").cold
    assert cold is not None
    assert cold.first_call_ms == 9
    assert cold.time_to_steady_s == pytest.approx(1.0 + 0.5 + 0.009 + 0.5)


def test_a_sample_of_zero_nanoseconds_is_no_division_by_zero() -> None:
    rounds = make_rounds({"torch": [[1.0], [1.0]], "ort": [[0.0], [0.0]]})
    speedup = arm(summarize(make_run(), rounds, make_launches(["torch", "ort"], 2)), "ort").speedup
    assert speedup is not None
    assert math.isfinite(speedup.ratio)


def study_with_twin(twin_ms: float, launches: int = 6) -> Summary:
    """Return a study in which torch takes 80 ms, ort 40 and torch's twin `twin_ms`, each launch a little different."""
    run = make_run()
    cells = tuple(msgspec.structs.replace(cell, arms=(*cell.arms, ArmKey("torch", twin=True))) for cell in run.cells)
    spread = [1 + 0.001 * number for number in range(launches)]
    rounds = make_rounds({"torch": [[80.0]] * launches, "ort": [[40 * factor] for factor in spread]})
    twins = [
        msgspec.structs.replace(line, twin=True)
        for line in make_rounds({"torch": [[twin_ms * factor] for factor in reversed(spread)]})
    ]
    records = [*make_launches(["torch", "ort"], launches), *make_launches(["torch"], launches, twin=True)]
    return summarize(msgspec.structs.replace(run, cells=cells), [*rounds, *twins], records)


def test_the_twin_has_a_speedup_of_its_own_and_tells_the_resolution() -> None:
    summary = study_with_twin(79.8)
    twin = next(arm for arm in summary.cells[0].arms if arm.twin)
    assert twin.speedup is not None
    low, high = twin.speedup.ci95 or (0, 0)
    assert low < 1 < high
    assert summary.resolution == pytest.approx(max(high - 1, 1 / low - 1))
    assert arm(summary, "ort").speedup.verdict == "faster"  # type: ignore[union-attr]  # it has one


def test_verdicts_are_withheld_where_the_baseline_differs_from_itself() -> None:
    summary = study_with_twin(70)
    speedup = arm(summary, "ort").speedup
    assert speedup is not None
    assert speedup.verdict == "withheld"
    assert speedup.ratio == pytest.approx(2, rel=0.01)
    assert summary.notes[0].startswith("the baseline differs from its own twin: it reads 1.1400x in 6 launches")


def test_spoiled_rounds_are_left_out_and_their_share_is_told() -> None:
    rounds = make_rounds({"torch": [[80, 80, 80, 80]], "ort": [[40, 40, 40, 400]]})
    spoiled = [msgspec.structs.replace(line, spoiled="steal") if line.round == 4 else line for line in rounds]
    summary = summarize(make_run(), spoiled, make_launches(["torch", "ort"], 1))
    latency = arm(summary, "ort").latency_ms
    assert latency is not None
    assert latency.max == 40
    assert summary.spoiled_rounds == 0.25


def test_a_machine_that_is_never_quiet_is_measured_all_the_same_with_a_note() -> None:
    rounds = make_rounds({"torch": [[80, 80]], "ort": [[40, 40]]})
    spoiled = [msgspec.structs.replace(line, spoiled="steal") for line in rounds]
    summary = summarize(make_run(), spoiled, make_launches(["torch", "ort"], 1))
    assert arm(summary, "ort").samples == 2
    assert summary.notes == ("b1-t2: the machine was never quiet, so rounds that others disturbed count too",)


def test_throughput_is_items_over_the_wall_time_of_slices() -> None:
    rounds = [
        msgspec.structs.replace(line, wall_ns=50_000_000) for line in make_rounds({"torch": [[40, 40]]}, cell="b1-t2")
    ]
    summary = summarize(make_run(["torch"]), rounds, make_launches(["torch"], 1))
    assert arm(summary, "torch").throughput_per_s == pytest.approx(2 / 0.1)


def test_percentiles_pool_the_launches_and_carry_intervals() -> None:
    summary = summarize(
        make_run(["torch"]),
        make_rounds({"torch": [[float(n) for n in range(start, 101, 5)] for start in range(1, 6)]}),
        make_launches(["torch"], 5),
    )
    latency = msgspec.to_builtins(arm(summary, "torch").latency_ms)
    assert latency["p90"] == pytest.approx(90.1)
    # Between the 84th and the 96th call for independent ones, and further apart as Student's t is with five launches.
    bounds = [90.1 * (place / 90.1) ** (2.776445 / 1.959964) for place in (84, 96)]
    assert latency["p90_ci95"] == pytest.approx(tuple(bounds), rel=1e-5)
    assert {latency[name] for name in ("p95", "p95_ci95", "p99", "p99_ci95")} == {None}


def test_lead_in_calls_are_in_no_figure() -> None:
    rounds = make_rounds({"torch": [[80.0] * 4] * 3, "ort": [[40.0] * 4] * 3})
    led_in = [msgspec.structs.replace(line, lead_in_ns=(900 * MS, 700 * MS)) for line in rounds]
    [plain], [cell] = (summarize(make_run(), lines, ()).cells for lines in (rounds, led_in))
    assert cell.arms == plain.arms
    assert cell.arms[0].latency_ms
    assert (cell.arms[0].latency_ms.max, cell.arms[0].samples) == (80.0, 12)


def test_latencies_divide_to_the_speedup_though_a_long_launch_has_most_of_the_calls() -> None:
    # The first launch is long and in a slow spell that slows torch more than ort, as in a study of ResNet50.
    launches = {
        "torch": [[90.0] * 40, [60.0] * 3, [61.0] * 3, [59.0] * 3, [60.5] * 3],
        "ort": [[55.0] * 40, [40.0] * 3, [40.2] * 3, [39.8] * 3, [40.1] * 3],
    }
    summary = summarize(make_run(), make_rounds(launches), make_launches(["torch", "ort"], 5))
    torch, ort = arm(summary, "torch"), arm(summary, "ort")
    assert torch.latency_ms
    assert ort.latency_ms
    assert ort.speedup
    assert torch.latency_ms.median / ort.latency_ms.median == pytest.approx(ort.speedup.ratio, rel=0.005)
    # Of all calls together, most of which are of the long launch.
    assert torch.latency_ms.mean == pytest.approx(83.2, rel=0.01)
    assert torch.latency_ms.max == 90


def test_a_latency_is_the_median_of_slices_and_then_over_launches() -> None:
    rounds = [
        msgspec.structs.replace(line, samples_ns=samples)
        for line, samples in zip(
            make_rounds({"torch": [[1.0] * 3, [1.0] * 3]}),
            [(1, 9, 1), (2,), (30,), (8, 8), (7,), (9,)],
            strict=True,
        )
    ]
    summary = summarize(make_run(["torch"]), rounds, make_launches(["torch"], 2))
    latency = arm(summary, "torch").latency_ms
    assert latency
    assert latency.median == pytest.approx(4e-6)  # the geometric mean of 2 and 8 ns


def test_throughput_has_an_interval_over_launches() -> None:
    launches = [[80.0, 82.0], [81.0, 80.0], [78.0, 80.0]]
    summary = summarize(make_run(["torch"], batch_sizes=(4,)), make_rounds({"torch": launches}, "b4-t2"), [])
    found = arm(summary, "torch")
    rates = [8 / (sum(launch) / 1000) for launch in launches]
    expected = LogEstimate(tuple(map(math.log, rates)))
    assert found.throughput_per_s == pytest.approx(expected.value)
    assert found.throughput_ci95 == pytest.approx(expected.interval())
    one = arm(summarize(make_run(["torch"]), make_rounds({"torch": [[80.0]]}), []), "torch")
    assert one.throughput_per_s == pytest.approx(12.5)
    assert one.throughput_ci95 is None


def test_memory_has_an_interval_that_holds_every_launch() -> None:
    launches = [
        *make_launches(["torch"], 1, memory_mib=500.0),
        *(msgspec.structs.replace(line, launch=2) for line in make_launches(["torch"], 1, memory_mib=520.0)),
    ]
    found = arm(summarize(make_run(["torch"]), make_rounds({"torch": [[80], [80]]}), launches), "torch")
    assert found.memory_mib == 520
    assert found.memory_ci95 is not None
    assert found.memory_ci95[0] < 500
    assert found.memory_ci95[1] > 520
    alone = arm(summarize(make_run(["torch"]), make_rounds({"torch": [[80]]}), launches[:1]), "torch")
    assert (alone.memory_mib, alone.memory_ci95) == (500, None)


def test_launches_that_differ_too_much_have_no_interval_and_a_note_says_why() -> None:
    rounds = make_rounds({"torch": [[10.0], [400.0]], "ort": [[5.0], [5.0]]})
    summary = summarize(make_run(), rounds, make_launches(["torch", "ort"], 2))
    ort = arm(summary, "ort")
    assert ort.speedup
    assert (ort.speedup.ci95, ort.speedup.verdict) == (None, "inconclusive")
    reason = "its 2 launches differ by up to 40x, so that an interval would span more than a factor of 10"
    assert ort.speedup.no_interval == reason
    assert summary.notes == (
        f"b1-t2: no interval for the latency of torch and the speedup of ort: {reason}; "
        "measure longer, or when it is quieter",
    )


@pytest.mark.parametrize(("margin", "verdict"), [(None, "faster"), (0.01, "faster"), (0.05, "same"), ("x", "faster")])
def test_verdicts_are_by_the_margin_that_the_study_was_asked_for(margin: object, verdict: str) -> None:
    rounds = make_rounds({"torch": [[80.0]] * 6, "ort": [[80 / 1.03 * (1 + 0.0001 * n)] for n in range(6)]})
    settings = {"target": 0.02} | ({} if margin is None else {"margin": margin})
    summary = summarize(make_run(settings=settings), rounds, make_launches(["torch", "ort"], 6))
    speedup = arm(summary, "ort").speedup
    assert speedup
    assert speedup.verdict == verdict
    assert summary.margin == (margin if isinstance(margin, float) else 0.01)


def test_cold_figures_are_of_launches_that_compiled() -> None:
    cold = make_launches(["ort"], 1, first_call_ns=9000 * MS, evidence={"compile_cache": "cold"})
    served = make_launches(["ort"], 3, first_call_ns=2000 * MS, evidence={"compile_cache": "served"})
    rounds = make_rounds({"ort": [[40.0] * 4] * 4})

    def first_call_ms(launches: list[LaunchRecord]) -> float | None:
        cold = arm(summarize(make_run(["ort"]), rounds, launches), "ort").cold
        assert cold is not None
        return cold.first_call_ms

    assert first_call_ms(cold + served) == 9000
    assert first_call_ms(served) == 2000
    assert first_call_ms(make_launches(["ort"], 3)) == 9

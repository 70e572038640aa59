from __future__ import annotations

import math
import random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ortbench.errors import UsageError
from ortbench.results.csv_input import summarize_csv_text
from ortbench.results.derive import summarize
from ortbench.results.diff import ArmDiff, CellDiff, RunDiff, Unmatched, change_of, compare_runs
from ortbench.results.likeness import differences, differences_by_section, incomparable
from ortbench.results.schema import ArtifactRecord
from ortbench.results.statistics import LogEstimate
from ortbench.results.summary import ArmSummary, Bounds, CellSummary, Latency, Speedup, Summary
from tests.results.factory import make_launches, make_rounds, make_run

HEADER = "engine,batch_size,threads,latency_ms,latency_low_ms,latency_high_ms"
OPPOSITE = {"faster": "slower", "slower": "faster"}


def spread(value: float, by: float | None) -> Bounds | None:
    return None if by is None else (value / (1 + by), value * (1 + by))


def make_arm(engine: str, latency: float, ratio: float | None, by: float | None, **changes: Any) -> ArmSummary:
    speedup = Speedup(baseline="torch", ratio=ratio, ci95=spread(ratio, by), verdict="same") if ratio else None
    arm = ArmSummary(
        engine=engine, latency_ms=Latency(median=latency, ci95=spread(latency, by)), speedup=speedup, launches=8
    )
    return msgspec.structs.replace(arm, **changes)


def make_summary(
    ratios: dict[int, float], by: float | None = 0.002, *, scale: float = 1.0, engine: str = "ort", **changes: Any
) -> Summary:
    """Return a run of torch and another engine with these speedups by batch size; `by` is every interval's half."""
    cells = tuple(
        CellSummary(
            model="m",
            batch_size=size,
            threads=2,
            arms=(
                make_arm("torch", 80.0 * scale, None, by),
                make_arm(engine, 80.0 * scale / ratio, ratio, by),
                make_arm("torch", 80.0 * scale, 1.0, by, twin=True),
            ),
        )
        for size, ratio in ratios.items()
    )
    run = Summary(model="m", baseline="torch", engines=("torch", engine), paired=True, machine={}, cells=cells)
    return msgspec.structs.replace(run, **changes)


def arm_of(diff: RunDiff, engine: str = "ort", cell: int = 0) -> ArmDiff:
    [found] = [arm for arm in diff.cells[cell].arms if arm.engine == engine]
    return found


def verdicts(diff: RunDiff) -> list[str | None]:
    return [arm_of(diff, cell=cell).verdict for cell in range(len(diff.cells))]


SUMMARIES = st.builds(
    make_summary,
    st.dictionaries(st.sampled_from([1, 4, 16]), st.floats(0.2, 5.0), min_size=3),
    st.one_of(st.none(), st.floats(0.0, 0.2)),
    resolution=st.one_of(st.none(), st.floats(0.0, 0.1)),
)


@pytest.mark.parametrize(
    ("before", "after", "by", "verdict"),
    [
        (2.0, 2.2, 0.002, "faster"),
        (2.2, 2.0, 0.002, "slower"),
        (2.0, 2.001, 0.002, "same"),
        (2.0, 2.03, 0.03, "inconclusive"),
        (2.0, 4.0, None, "inconclusive"),
    ],
)
def test_the_verdict_is_on_the_change_of_the_speedup(
    before: float, after: float, by: float | None, verdict: str
) -> None:
    assert verdicts(compare_runs(make_summary({1: before}, by), make_summary({1: after}, by))) == [verdict]


def test_a_change_is_new_over_old_with_its_half_widths_in_quadrature() -> None:
    old, new = (10.0, (10 / math.exp(0.03), 10 * math.exp(0.05))), (20.0, (20 / math.exp(0.04), 20 * math.exp(0.12)))
    change = change_of(old, new, paired=True)
    assert (change.old, change.new, change.ratio) == (10, 20, 2)
    # Below: the new one's reach down and the old one's up; above: the other way round.
    below, above = math.hypot(0.04, 0.05), math.hypot(0.12, 0.03)
    assert change.ci95 == pytest.approx((2 / math.exp(below), 2 * math.exp(above)))


def test_what_was_never_paired_gets_the_widest_interval() -> None:
    change = change_of((10.0, (9.0, 11.0)), (20.0, (18.0, 24.0)), paired=False)
    assert change.ci95 == pytest.approx((18 / 11, 24 / 9))


@pytest.mark.parametrize(("old", "new"), [(None, (1.0, 2.0)), ((1.0, 2.0), None), (None, None)])
def test_without_both_intervals_a_change_has_none(old: Bounds | None, new: Bounds | None) -> None:
    assert change_of((1.5, old), (1.5, new), paired=True).ci95 is None


@given(SUMMARIES, SUMMARIES)
def test_the_other_way_round_everything_is_inverse(one: Summary, other: Summary) -> None:
    there, back = compare_runs(one, other), compare_runs(other, one)
    forth = {cell.cell: cell.arms for cell in there.cells}
    for cell in back.cells:
        for mine, theirs in zip(cell.arms, forth[cell.cell], strict=True):
            assert mine.verdict == OPPOSITE.get(str(theirs.verdict), theirs.verdict)
            for inverse, change in ((mine.latency_ms, theirs.latency_ms), (mine.speedup, theirs.speedup)):
                if change and inverse:
                    assert inverse.ratio == pytest.approx(1 / change.ratio)
                    bounds = change.ci95
                    assert inverse.ci95 == (pytest.approx((1 / bounds[1], 1 / bounds[0])) if bounds else None)


@given(SUMMARIES)
def test_a_run_did_not_change_against_itself(run: Summary) -> None:
    diff = compare_runs(run, run)
    assert set(verdicts(diff)) <= {"same", "inconclusive"}
    assert all(arm.speedup.ratio == 1 for cell in diff.cells for arm in cell.arms if arm.speedup)


@given(st.floats(0.1, 10.0))
def test_a_machine_that_is_slower_all_over_changes_latencies_and_no_speedup(scale: float) -> None:
    def run(factor: float) -> Summary:
        noise = random.Random(1)
        launches = {
            engine: [[round(base * noise.uniform(0.998, 1.002) * factor, 3) for _ in range(5)] for _ in range(6)]
            for engine, base in (("torch", 80.0), ("ort", 40.0))
        }
        return summarize(make_run(), make_rounds(launches), make_launches(["torch", "ort"], 6))

    ort = arm_of(compare_runs(run(1.0), run(scale)))
    assert ort.speedup is not None
    assert ort.speedup.ratio == pytest.approx(1, rel=1e-3)
    assert ort.verdict == "same"
    assert ort.latency_ms is not None
    assert ort.latency_ms.ratio == pytest.approx(scale, rel=1e-3)


def test_intervals_cover_the_true_change_of_two_simulated_studies() -> None:
    noise = random.Random(7)
    hits, wrong = 0, 0
    for _ in range(400):
        runs: list[Summary] = []
        for true in (2.0, 2.2):
            known = LogEstimate(tuple(math.log(true) + noise.gauss(0, 0.01) for _ in range(8)))
            speedup = Speedup(baseline="torch", ratio=known.value, ci95=known.interval(), verdict="faster")
            runs.append(msgspec.structs.replace(make_summary({1: 2.0}), cells=(cell_with(speedup),)))
        ort = arm_of(compare_runs(runs[0], runs[1]))
        assert ort.speedup is not None
        assert ort.speedup.ci95 is not None
        low, high = ort.speedup.ci95
        hits += low <= 1.1 <= high
        wrong += ort.verdict in ("slower", "same")
    assert hits >= 0.93 * 400
    assert wrong <= 0.05 * 400


def cell_with(speedup: Speedup) -> CellSummary:
    arms = (make_arm("torch", 80.0, None, 0.01), make_arm("ort", 40.0, None, 0.01, speedup=speedup))
    return CellSummary(model="m", batch_size=1, threads=2, arms=arms)


def test_the_baseline_shows_its_latency_and_carries_no_verdict() -> None:
    torch = arm_of(compare_runs(make_summary({1: 2.0}), make_summary({1: 2.0}, scale=2.0)), "torch")
    assert torch.latency_ms is not None
    assert torch.latency_ms.ratio == pytest.approx(2)
    assert (torch.speedup, torch.verdict, torch.reason) == (None, None, None)


def test_twins_are_left_out() -> None:
    diff = compare_runs(make_summary({1: 2.0}), make_summary({1: 2.0}))
    assert [arm.engine for arm in diff.cells[0].arms] == ["torch", "ort"]


@pytest.mark.parametrize(("old", "new", "asked", "band"), [(0.01, 0.03, None, 0.03), (0.02, 0.01, 0.005, 0.005)])
def test_the_band_is_the_wider_of_both_margins_or_what_was_asked_for(
    old: float, new: float, asked: float | None, band: float
) -> None:
    before, after = make_summary({1: 2.0}, resolution=0.2), make_summary({1: 2.05}, resolution=0.4)
    before, after = (msgspec.structs.replace(run, margin=margin) for run, margin in ((before, old), (after, new)))
    assert compare_runs(before, after, margin=asked).band == band


def test_a_resolution_takes_no_part_in_what_changed() -> None:
    old, new = make_summary({1: 2.0}), make_summary({1: 2.2})
    coarse = make_summary({1: 2.2}, resolution=0.3)
    assert compare_runs(old, coarse).cells == compare_runs(old, new).cells


def test_many_comparisons_ask_for_more_evidence_each() -> None:
    one = compare_runs(make_summary({1: 2.0}, 0.02), make_summary({1: 2.1}, 0.02))
    sizes = range(1, 41)
    many = compare_runs(make_summary(dict.fromkeys(sizes, 2.0), 0.02), make_summary(dict.fromkeys(sizes, 2.1), 0.02))
    assert verdicts(one) == ["faster"]
    assert set(verdicts(many)) == {"inconclusive"}


def test_fewer_launches_say_less() -> None:
    def run(ratio: float, launches: int) -> Summary:
        cell = make_summary({1: ratio}, 0.02).cells[0]
        arms = tuple(msgspec.structs.replace(arm, launches=launches) for arm in cell.arms)
        return make_summary(
            {1: ratio}, cells=tuple(msgspec.structs.replace(cell, batch_size=n, arms=arms) for n in (1, 2))
        )

    assert verdicts(compare_runs(run(2.0, 10), run(2.09, 10))) == ["faster", "faster"]
    assert verdicts(compare_runs(run(2.0, 10), run(2.09, 2))) == ["inconclusive", "inconclusive"]


def test_a_speedup_that_may_not_be_believed_changes_inconclusively() -> None:
    old, new = make_summary({1: 2.0}), make_summary({1: 3.0})
    speedup = Speedup(baseline="torch", ratio=2.0, ci95=(1.99, 2.01), verdict="withheld")
    doubtful = msgspec.structs.replace(old, cells=(cell_with(speedup),), notes=("verdicts are withheld",))
    diff = compare_runs(doubtful, new)
    assert verdicts(diff) == ["inconclusive"]
    assert diff.notes == ("old: verdicts are withheld",)


@pytest.mark.parametrize("side", ["old", "new"])
def test_an_engine_that_failed_in_a_run_is_compared_with_nothing(side: str) -> None:
    good = make_summary({1: 2.0})
    broken = make_arm("ort", 1.0, None, 0.01, status="failed", reason="ort hung")
    cell = msgspec.structs.replace(good.cells[0], arms=(good.cells[0].arms[0], broken))
    bad = msgspec.structs.replace(good, cells=(cell,))
    ort = arm_of(compare_runs(bad, good) if side == "old" else compare_runs(good, bad))
    assert (ort.latency_ms, ort.speedup, ort.verdict) == (None, None, "inconclusive")
    assert ort.reason == f"failed in {side} (ort hung)"


def test_without_its_baseline_an_engine_has_a_latency_and_no_verdict_on_it() -> None:
    good = make_summary({1: 2.0})
    arms = (make_arm("torch", 1.0, None, None, status="invalid"), make_arm("ort", 40.0, None, 0.01))
    bad = msgspec.structs.replace(good, cells=(msgspec.structs.replace(good.cells[0], arms=arms),))
    diff = compare_runs(good, bad)
    assert arm_of(diff).latency_ms is not None
    assert (arm_of(diff).verdict, arm_of(diff).reason) == ("inconclusive", "the baseline has no figure beside it")
    assert arm_of(diff, "torch").reason == "invalid in new"


def test_what_only_one_run_has_is_listed() -> None:
    old, new = make_summary({1: 2.0, 4: 2.0}), make_summary({1: 2.0, 16: 2.0}, engine="ort[a=1]")
    diff = compare_runs(old, new)
    [one, four], [_, sixteen] = ([cell.key for cell in run.cells] for run in (old, new))
    assert diff.only_in_old == (Unmatched(cell=one, engine="ort"), Unmatched(cell=four))
    assert diff.only_in_new == (Unmatched(cell=one, engine="ort[a=1]"), Unmatched(cell=sixteen))
    assert [[arm.engine for arm in cell.arms] for cell in diff.cells] == [["torch"]]


def test_runs_without_a_common_cell_are_refused_by_name() -> None:
    with pytest.raises(UsageError) as caught:
        compare_runs(make_summary({1: 2.0}), make_summary({4: 2.0}), ("one", "two"))
    assert str(caught.value) == (
        "There is nothing to compare: 'one' has torch, ort in the cells b1-t2 and 'two' has torch, ort in the cells "
        "b4-t2. Expected an engine in a cell that both have."
    )


def test_runs_without_any_cell_are_refused() -> None:
    empty = make_summary({})
    with pytest.raises(UsageError, match="'OLD' has torch, ort in the cells none"):
        compare_runs(empty, empty)


def test_speedups_over_different_baselines_are_refused() -> None:
    with pytest.raises(UsageError, match="'OLD' has speedups over torch, 'NEW' over ort: expected one baseline"):
        compare_runs(make_summary({1: 2.0}), make_summary({1: 2.0}, baseline="ort"))


def test_csvs_are_matched_without_the_names_of_their_files() -> None:
    old = summarize_csv_text(f"{HEADER}\ntorch,1,2,80,79,81\nort,1,2,40,39.9,40.1\n", "old.csv", "old")
    new = summarize_csv_text(f"{HEADER}\ntorch,1,2,80,79,81\nort,1,2,20,19.9,20.1\n", "new.csv", "new")
    diff = compare_runs(old, new)
    ort = arm_of(diff)
    assert not diff.paired
    assert ort.verdict == "faster"
    assert ort.latency_ms is not None
    assert ort.latency_ms.ci95 == pytest.approx((19.9 / 40.1, 20.1 / 39.9))
    assert diff.notes[-1] == "the model was old, is new"


def test_a_csv_without_bounds_decides_nothing() -> None:
    text = "engine,batch_size,threads,latency_ms\ntorch,1,2,80\nort,1,2,{}\n"
    old, new = (summarize_csv_text(text.format(ms), "x.csv", "x") for ms in (40, 10))
    assert verdicts(compare_runs(old, new)) == ["inconclusive"]


def test_several_models_are_matched_by_name() -> None:
    rows = "model,engine,batch_size,threads,latency_ms\na,torch,1,1,9\nb,torch,1,1,5\n"
    old, new = (summarize_csv_text(text, "x.csv", "x") for text in (rows, rows.replace("b,", "c,")))
    diff = compare_runs(old, new)
    assert [cell.cell.model for cell in diff.cells] == ["a"]
    assert [one.cell.model for one in (*diff.only_in_old, *diff.only_in_new)] == ["b", "c"]


def test_the_document_is_read_back_as_it_was() -> None:
    diff = compare_runs(make_summary({1: 2.0, 4: 3.0}), make_summary({1: 2.2}))
    assert msgspec.json.decode(msgspec.json.encode(diff), type=RunDiff) == diff
    assert isinstance(diff.cells[0], CellDiff)
    assert diff.schema_version == 1


def test_differences_are_known_by_section() -> None:
    old = make_run(versions={"torch": "2.14"}, environment={"OMP_NUM_THREADS": "1"})
    new = make_run(versions={"torch": "2.15"}, machine={"cpu": "other"}, settings={"target": 0.02, "seed": 1})
    sections = differences_by_section(old, new)
    assert sections == {
        "settings": ["seed was unset, is 1"],
        "files": [],
        "artifact": [],
        "versions": ["the version of torch was 2.14, is 2.15"],
        "machine": ["the machine's cpu was test, is other"],
        "environment": ["the environment's OMP_NUM_THREADS was 1, is unset"],
    }
    assert differences(old, new) == [line for lines in sections.values() for line in lines]


@pytest.mark.parametrize(
    ("change", "lines"),
    [
        ({"machine": {"cpu": "other"}}, ["the machine's cpu was test, is other"]),
        ({"model": "n"}, ["model was m, is n"]),
        ({"artifact": ArtifactRecord(path="x", sha256="bb")}, ["the artifact's sha256 was aa, is bb"]),
        ({"artifact": None}, []),
        ({"versions": {"torch": "2.15"}, "settings": {"seed": 1}, "environment": {"OMP_NUM_THREADS": "1"}}, []),
    ],
)
def test_machine_model_and_artifact_make_runs_incomparable(change: dict[str, Any], lines: list[str]) -> None:
    artifact = ArtifactRecord(path="x", sha256="aa")
    assert incomparable(make_run(artifact=artifact), make_run(**{"artifact": artifact, **change})) == lines


def test_a_speedup_without_an_interval_is_inconclusive_and_says_in_which_run_and_why() -> None:
    why = "there is one launch, which says nothing about the next"
    known, unknown = make_summary({1: 2.0}), make_summary({1: 2.0}, None)
    [cell] = unknown.cells
    arms = tuple(
        msgspec.structs.replace(arm, speedup=msgspec.structs.replace(arm.speedup, no_interval=why))
        if arm.speedup
        else arm
        for arm in cell.arms
    )
    one_launch = msgspec.structs.replace(unknown, cells=(msgspec.structs.replace(cell, arms=arms),))
    ort = arm_of(compare_runs(known, one_launch))
    assert (ort.verdict, ort.reason) == ("inconclusive", f"its speedup in new has no interval ({why})")
    assert arm_of(compare_runs(unknown, known)).reason == "its speedup in old has no interval"
    assert arm_of(compare_runs(known, known)).reason is None

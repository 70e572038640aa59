"""What is concluded from runs under a load, and that nothing else changes where there is none."""

from __future__ import annotations

import msgspec
import pytest

from ortbench.errors import ResultsError
from ortbench.results.csv_input import summarize_csv_text
from ortbench.results.derive import summarize
from ortbench.results.load import arm_load, tail
from ortbench.results.loadgen import LoadRun
from ortbench.results.markdown import to_markdown
from ortbench.results.profiles import gather_profiles
from ortbench.results.schema import ArmKey, CellKey, PlannedCell, RoundRecord, Run
from ortbench.results.summary import ArmSummary, Latency
from ortbench.results.tidy import tidy_rows, to_csv
from tests.results.factory import MS, make_launches, make_rounds, make_run

CELL = CellKey(model="m", batch_size=1, threads=2, load="poisson@20/s")
SECOND = 1_000_000_000


def run_of(**changes: object) -> LoadRun:
    fields = {"seeds": (1, 2, 3), "queries": 21, "valid": True, "scheduled_ns": SECOND, "calls": 21}
    fields |= {"busy_ns": SECOND // 2, "bound_ns": 100 * MS}
    return LoadRun(**{**fields, **changes})  # type: ignore[arg-type]  # a test names fields freely


def line(engine: str, launch: int, run: LoadRun, latency_ms: float = 20, wall_ns: int = SECOND) -> RoundRecord:
    samples = (round(latency_ms * MS),) * run.queries
    return RoundRecord(
        cell=CELL.id,
        launch=launch,
        round=1,
        position=0,
        engine=engine,
        started_s=0.0,
        samples_ns=samples,
        wall_ns=wall_ns,
        items=run.queries,
        loadgen=run,
    )


def study() -> tuple[Run, list[RoundRecord]]:
    cells = (PlannedCell(key=CELL, arms=(ArmKey("torch"), ArmKey("ort")), status="ok"),)
    short = run_of(valid=False, unmet=("early stopping",), reasons=("Processed 21 queries.",))
    late = run_of(
        valid=False,
        unmet=("latency bound", "early stopping"),
        reasons=("Reduce target QPS to improve latency.", "Processed 21 queries."),
        busy_ns=3 * SECOND,
        late=18,
    )
    lines = [line("ort", launch, short) for launch in (1, 2)]
    lines += [line("torch", launch, late, 800, 2 * SECOND) for launch in (1, 2)]
    return make_run(cells=cells), lines


def test_a_load_is_part_of_what_a_cell_is() -> None:
    assert CELL.id == "b1-t2-poisson@20/s"
    assert CellKey(model="m", batch_size=1, threads=2).id == "b1-t2"


def test_without_a_load_there_is_nothing_to_tell() -> None:
    assert arm_load([RoundRecord(**msgspec.structs.asdict(line("ort", 1, run_of())) | {"loadgen": None})]) is None


def test_rates_are_of_the_gaps_between_queries() -> None:
    load = arm_load([line("ort", 1, run_of(), wall_ns=2 * SECOND)] * 3)
    assert load is not None
    assert (load.offered_per_s, load.completed_per_s) == (20, 10)
    assert load.busy == pytest.approx(0.5 * 20 / 21)
    assert load.call_ms == pytest.approx(500 / 21)
    assert (load.runs, load.valid_runs, load.reason, load.overloaded) == (3, 3, None, False)


def test_where_queries_follow_each_other_nothing_is_offered() -> None:
    load = arm_load([line("ort", 1, run_of(bound_ns=None))])
    assert load is not None
    assert (load.offered_per_s, load.completed_per_s, load.busy, load.bound_ms) == (None, None, None, None)


def test_a_single_query_has_no_rate() -> None:
    load = arm_load([line("ort", 1, run_of(queries=1, scheduled_ns=0))])
    assert load is not None
    assert (load.offered_per_s, load.busy) == (None, None)


def test_the_notes_say_who_cannot_keep_up_and_what_loadgen_objects_to() -> None:
    run, lines = study()
    summary = summarize(run, lines, make_launches(["torch", "ort"], 2, CELL.id))
    assert summary.notes == (
        "b1-t2-poisson@20/s: torch cannot keep up: 20 requests/s arrive and it completes 10; its queue grows as long "
        "as a run lasts, so no speedup is given",
        "b1-t2-poisson@20/s: LoadGen calls runs of torch INVALID (not met: latency bound in 2 of 2): "
        '"Reduce target QPS to improve latency."',
        "b1-t2-poisson@20/s: LoadGen calls runs of ort INVALID only for having too few queries for its early stopping; "
        "by LoadGen's rules, but no submission",
    )
    [cell] = summary.cells
    torch, ort = cell.arms
    assert cell.place == "batch size 1, threads 2, poisson@20/s"
    assert torch.marks == (
        "it cannot keep up with poisson@20/s, so that its queue grows as long as a run lasts, and its latencies too",
    )
    assert ort.marks == ()
    assert torch.load is not None
    assert (torch.load.overloaded, torch.load.late) == (True, 18 / 21)
    assert ort.speedup is None


def test_calls_that_are_not_full_are_no_sign_of_an_engine_that_cannot_keep_up() -> None:
    # As run with LoadGen: calls of 100 ms for up to 8 at 40 requests/s, of which there are 10 in each second.
    busy = run_of(queries=41, calls=11, busy_ns=1100 * MS)
    load = arm_load([line("ort", 1, busy)], batch_size=8)
    assert load is not None
    assert load.busy == pytest.approx(40 * 0.1 / 8)
    assert not load.overloaded
    alone = arm_load([line("ort", 1, busy)], batch_size=1)
    assert alone is not None
    assert alone.overloaded


def test_under_arrivals_the_throughput_is_what_was_completed() -> None:
    run, lines = study()
    torch, ort = summarize(run, lines, make_launches(["torch", "ort"], 2, CELL.id)).cells[0].arms
    assert torch.throughput_per_s == pytest.approx(10)
    assert ort.throughput_per_s == pytest.approx(20)


def test_runs_of_one_request_have_a_throughput_all_the_same() -> None:
    run, _ = study()
    alone = run_of(queries=1, calls=1, scheduled_ns=0, busy_ns=20 * MS)
    lines = [line(engine, launch, alone, wall_ns=SECOND // 50) for engine in ("torch", "ort") for launch in (1, 2)]
    torch, ort = summarize(run, lines, make_launches(["torch", "ort"], 2, CELL.id)).cells[0].arms
    assert torch.throughput_per_s == ort.throughput_per_s == pytest.approx(50)


@pytest.mark.parametrize(("tail_ms", "told"), [(900, True), (25, False)])
def test_a_shorter_median_with_a_longer_tail_is_told(tail_ms: float, *, told: bool) -> None:
    def half(engine: str, launch: int, median_ms: float, slowest_ms: float) -> RoundRecord:
        samples = (round(median_ms * MS),) * 180 + (round(slowest_ms * MS),) * 20
        return msgspec.structs.replace(line(engine, launch, run_of(queries=200, calls=200)), samples_ns=samples)

    run = make_run(cells=(PlannedCell(key=CELL, arms=(ArmKey("torch"), ArmKey("ort")), status="ok"),))
    lines = [half("torch", launch, 40, 50) for launch in range(1, 9)]
    lines += [half("ort", launch, 20, tail_ms) for launch in range(1, 9)]
    summary = summarize(run, lines, make_launches(["torch", "ort"], 8, CELL.id))
    assert summary.cells[0].arms[1].speedup is not None
    assert summary.cells[0].arms[1].speedup.verdict == "faster"
    note = (
        "b1-t2-poisson@20/s: ort is faster than torch by the median, but its p99 is longer: "
        f"{tail_ms:.3g} against 50 ms"
    )
    assert (note in summary.notes) is told


def test_markdown_has_a_tail_under_a_load_only() -> None:
    run, lines = study()
    many = [
        line(one.engine, one.launch, msgspec.structs.replace(one.loadgen, queries=600)) for one in lines if one.loadgen
    ]
    launches = make_launches(["torch", "ort"], 2, CELL.id)
    heading, _, torch, *_ = to_markdown(summarize(run, many, launches)).splitlines()[2:]
    assert heading.split(" | ")[3:7] == ["load", "latency ms \\[95 %\\]", "tail ms \\[95 %\\]", "inferences/s"]
    assert torch.split(" | ")[5] == "p99 20.0"
    plain = make_run(("ort",))
    assert "tail" not in to_markdown(summarize(plain, make_rounds({"ort": [[5.0]]}), make_launches(["ort"], 1)))


def test_a_csv_takes_the_load_back() -> None:
    run, lines = study()
    text = to_csv(tidy_rows(summarize(run, lines, make_launches(["torch", "ort"], 2, CELL.id)))).decode()
    again = summarize_csv_text(text, "results.csv", "m")
    assert [cell.key for cell in again.cells] == [CELL]
    plain = "engine,batch_size,threads,latency_ms\nort,1,2,5\n"
    assert [cell.load for cell in summarize_csv_text(plain, "other.csv", "m").cells] == [""]


def test_a_plan_never_takes_waiting_for_work() -> None:
    text = "engine,batch_size,threads,latency_ms,load\nort,1,2,5,\nort,1,2,50,poisson@20/s\n"
    [measured] = gather_profiles(summarize_csv_text(text, "some.csv", "m")).values()
    assert measured.alone == {(2, 1): 5}
    with pytest.raises(ResultsError) as caught:
        gather_profiles(summarize(*study(), make_launches(["torch", "ort"], 2, CELL.id)))
    assert str(caught.value) == (
        "All cells of the results are under a load, whose latencies hold waiting too; a plan needs results of "
        "`ortbench compare` without --load."
    )


@pytest.mark.parametrize(
    ("latency", "expected"),
    [
        (None, None),
        (Latency(median=1), None),
        (Latency(median=1, p90=2, p90_ci95=(1.5, 3)), ("p90", 2, (1.5, 3))),
        (Latency(median=1, p90=2, p95=3, p99=4, p99_ci95=(3.5, 5)), ("p99", 4, (3.5, 5))),
    ],
)
def test_the_tail_is_the_highest_percentile_that_is_known(latency: Latency | None, expected: object) -> None:
    assert tail(ArmSummary(engine="ort", latency_ms=latency)) == expected

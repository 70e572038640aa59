"""Every statistic of a record is total: there is no record that can be measured and not be shown."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from rich.console import Console

from ortbench.charts.diff_table import print_diff
from ortbench.charts.report import build_report
from ortbench.charts.table import print_summary
from ortbench.results.attempts import Attempts
from ortbench.results.csv_input import summarize_csv_text
from ortbench.results.derive import summarize
from ortbench.results.diff import compare_runs
from ortbench.results.gate import decide
from ortbench.results.gate_formats import FORMATS
from ortbench.results.loadgen import LoadRun
from ortbench.results.markdown import to_markdown
from ortbench.results.requirements import FIGURES, parse_requirement
from ortbench.results.schema import ArmKey, CellKey, LaunchRecord, PlannedCell, RoundRecord, Run
from ortbench.results.statistics import WIDEST_INTERVAL
from ortbench.results.study import Results
from ortbench.results.summary import Summary
from ortbench.results.tidy import tidy_rows, to_csv, to_parquet
from tests.results.factory import make_run

ENGINES = ("torch", "ort")
ARMS = (ArmKey("torch"), ArmKey("ort"), ArmKey("torch", twin=True))
KEYS = (
    CellKey(model="m", batch_size=1, threads=1),
    CellKey(model="m", batch_size=4, threads=1),
    CellKey(model="m", batch_size=4, threads=1, instances=2, mode="stream"),
    CellKey(model="m", batch_size=1, threads=2, load="poisson@20/s"),
)
# From a clock that did not tick to thirty years, and everything between.
NS = st.one_of(st.integers(0, 3), st.integers(10**3, 10**9), st.sampled_from([0, 1, 2**53, 10**18, 2**63 - 1]))
# So many times as many calls are enough for percentiles.
MANY = st.sampled_from([1, 1, 300])


@st.composite
def loadgen(draw: st.DrawFn, queries: int) -> LoadRun:
    return LoadRun(
        seeds=(1, 2, 3),
        queries=queries,
        valid=draw(st.booleans()),
        unmet=tuple(draw(st.lists(st.sampled_from(["duration", "early stopping"]), max_size=2, unique=True))),
        scheduled_ns=draw(NS),
        busy_ns=draw(NS),
        calls=draw(st.integers(0, 5)),
        late=draw(st.integers(0, queries)),
        bound_ns=draw(st.none() | NS),
    )


@st.composite
def slices(draw: st.DrawFn, key: CellKey) -> RoundRecord:
    own, arm = tuple(draw(st.lists(NS, max_size=4))), draw(st.sampled_from(ARMS))
    instances = (len(own) // 2, len(own) - len(own) // 2) if key.mode == "stream" else ()
    return RoundRecord(
        cell=key.id,
        launch=draw(st.integers(1, 9)),
        round=draw(st.integers(1, 4)),
        position=0,
        engine=arm.engine,
        twin=arm.twin,
        started_s=0.0,
        samples_ns=own,
        wall_ns=draw(st.none() | NS),
        cpu_ns=draw(st.none() | NS),
        minor_faults=draw(st.integers(0, 2**40)),
        spoiled=draw(st.none() | st.just("stolen")),
        sentinel_ns=draw(st.none() | NS),
        items=draw(st.none() | st.integers(0, 10**9).map(float)),
        instance_calls=instances,
        energy_uj=draw(st.none() | st.integers(0, 2**50)),
        loadgen=draw(loadgen(max(len(own), 1))) if key.load else None,
    )


@st.composite
def launches(draw: st.DrawFn, key: CellKey) -> LaunchRecord:
    arm = draw(st.sampled_from(ARMS))
    status = draw(st.sampled_from(["ok", "ok", "ok", "failed", "invalid"]))
    return LaunchRecord(
        cell=key.id,
        launch=draw(st.integers(1, 9)),
        engine=arm.engine,
        twin=arm.twin,
        status=status,  # type: ignore[arg-type]  # one of those above
        reason=None if status == "ok" else "it broke",
        first_call_ns=draw(st.none() | NS),
        warm_up_ns=tuple(draw(st.lists(NS, max_size=3))),
        steady=draw(st.none() | st.booleans()),
        import_s=draw(st.none() | st.floats(0, 1e6)),
        memory_mib=draw(st.none() | st.just(0.0) | st.floats(0.1, 1e7)),
        parity=draw(st.none() | st.just({"ok": True, "max_abs_error": 0.0})),
    )


@st.composite
def studies(draw: st.DrawFn) -> tuple[Run, list[RoundRecord], list[LaunchRecord]]:
    keys = draw(st.lists(st.sampled_from(KEYS), min_size=1, max_size=4, unique=True))
    arms = draw(st.lists(st.sampled_from(ARMS), min_size=1, max_size=3, unique=True))
    run = make_run(
        ENGINES,
        cells=tuple(PlannedCell(key=key, arms=tuple(arms), status="ok") for key in keys),
        settings={"target": draw(st.sampled_from([0.02, 0.0, None])), "margin": draw(st.sampled_from([0.01, "x", 0]))},
    )
    lines = [line for key in keys for line in draw(st.lists(slices(key), max_size=12))]
    return run, lines, [line for key in keys for line in draw(st.lists(launches(key), max_size=4))]


Study = tuple[Run, list[RoundRecord], list[LaunchRecord]]


def longer(study: Study, times: int) -> Study:
    """Return a study with so many times as many calls in every slice, where each call is one of the arm's."""
    run, rounds, made = study
    more = [
        line if line.instance_calls else msgspec.structs.replace(line, samples_ns=line.samples_ns * times)
        for line in rounds
    ]
    return run, more, made


def forbidden(name: str) -> NoReturn:
    raise AssertionError(f"{name} is no JSON")


def show(summary: Summary) -> str:
    """Show a summary in every form that is made without drawing, and return its JSON."""
    console = Console(file=io.StringIO(), width=180)
    print_summary(summary, console)
    to_markdown(summary)
    rows = tidy_rows(summary)
    to_parquet(rows)
    text = to_csv(rows).decode()
    if any(row["status"] == "ok" and row["latency_ms"] for row in rows):
        summarize_csv_text(text, "results.csv", "m")
    document = msgspec.json.encode(summary).decode()
    json.loads(document, parse_constant=forbidden)
    return document


def check(summary: Summary, rounds: Sequence[RoundRecord]) -> None:
    there = {arm.engine for cell in summary.cells for arm in cell.arms if not arm.twin}
    texts = [f"{figure}({engine}) <= 1" for figure in FIGURES for engine in there]
    texts += ["ort/torch >= 1", "torch/ort <= 2"] if len(there) == 2 else []
    if texts:
        report = decide([parse_requirement(text) for text in texts], summary, rounds)
        assert all(answer.interval for answer in report.answers if answer.outcome != "inconclusive")
        for formatted in FORMATS.values():
            formatted(report)


@given(studies(), studies(), MANY)
@settings(max_examples=25, suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.generate])
def test_whatever_was_measured_is_shown_checked_and_compared(one: Study, other: Study, times: int) -> None:
    both = longer(one, times), longer(other, times)
    summaries = [summarize(*study) for study in both]
    for summary, (_, rounds, _) in zip(summaries, both, strict=True):
        show(summary)
        check(summary, rounds)
        # Nothing ended where figures fail that nobody thought of.
        assert not [note for note in summary.notes if "cannot be computed" in note]
        for arm in (arm for cell in summary.cells for arm in cell.arms):
            for found in (arm.latency_ms, arm.speedup):
                if found and found.ci95:
                    assert found.ci95[1] <= found.ci95[0] * WIDEST_INTERVAL * (1 + 1e-9)
    before, after = summaries
    if {cell.key for cell in before.cells} & {cell.key for cell in after.cells}:
        shared = {arm.engine for cell in before.cells for arm in cell.arms if not arm.twin} & {
            arm.engine for cell in after.cells for arm in cell.arms if not arm.twin
        }
        if shared:
            print_diff(compare_runs(before, after), Console(file=io.StringIO(), width=180))


@given(studies())
@settings(max_examples=3, suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.generate])
def test_whatever_has_a_latency_has_a_report(tmp_path_factory: pytest.TempPathFactory, study: Study) -> None:
    run, rounds, made = study
    summary = summarize(run, rounds, made)
    if any(arm.latency_ms and not arm.twin for cell in summary.cells for arm in cell.arms):
        cache = tmp_path_factory.getbasetemp()
        page = build_report(Results(Path("x"), summary, run, tuple(rounds), tuple(made)), "1", cache)
        assert "1e+19" not in page


def test_a_figure_that_fails_is_left_out_with_a_note_and_the_rest_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> NoReturn:
        raise OverflowError("Numerical result out of range")

    monkeypatch.setattr("ortbench.results.derive.joules_per_item", fail)
    monkeypatch.setattr("ortbench.results.arm_figures.PooledCalls.interval", fail)
    line = RoundRecord(
        cell="b1-t1", launch=1, round=1, position=0, engine="ort", started_s=0.0, samples_ns=(10**6,) * 150
    )
    cell = PlannedCell(key=KEYS[0], arms=(ArmKey("ort"),), status="ok")
    summary = summarize(make_run(["ort"], cells=(cell,)), [line], [])
    [arm] = summary.cells[0].arms
    assert arm.latency_ms
    assert arm.latency_ms.median == 1
    assert arm.joules_per_item is None
    assert arm.latency_ms.p90 is None
    error = "cannot be computed (OverflowError: Numerical result out of range); the rest is shown"
    assert f"b1-t1: ort: the energy {error}" in summary.notes
    assert f"b1-t1: ort: p90 {error}" in summary.notes
    show(summary)


def test_an_attempt_returns_what_is_computed_and_notes_nothing() -> None:
    attempts = Attempts()
    assert attempts.of("the answer", lambda: 42, 0) == 42
    assert attempts.notes == []

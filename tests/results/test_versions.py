from __future__ import annotations

from ortbench.results.schema import LaunchRecord
from ortbench.results.summary import ArmSummary, CellSummary, Summary
from ortbench.results.versions import differing_versions, name_elsewhere, runs_elsewhere
from ortbench.runner.outcome import finished_run
from ortbench.runner.record import StudyRecord
from tests.results.factory import make_run

OLD = {"onnxruntime": "1.24.4", "python": "3.11.7"}
NEW = {"onnxruntime": "1.32.0", "python": "3.11.7"}


def summary(**versions: dict[str, str]) -> Summary:
    arms = tuple(ArmSummary(engine=engine.replace("_", ":"), versions=own) for engine, own in versions.items())
    cell = CellSummary(model="m", batch_size=1, threads=1, arms=arms)
    engines = tuple(arm.engine for arm in arms)
    return Summary(model="m", baseline=engines[0], engines=engines, paired=True, machine={}, cells=(cell, cell))


def test_two_versions_of_one_engine_are_told_once() -> None:
    assert differing_versions(summary(ort_old=OLD, ort=NEW)) == [
        "ort:old ran onnxruntime 1.24.4; ort ran onnxruntime 1.32.0"
    ]


def test_another_python_is_told_too() -> None:
    assert differing_versions(summary(ort_a=NEW, ort_b={**NEW, "python": "3.13.1"})) == [
        "ort:a ran python 3.11.7; ort:b ran python 3.13.1"
    ]


def test_nothing_is_told_where_nothing_differs() -> None:
    assert differing_versions(summary(ort=NEW, ort_cuda=NEW, torch={"torch": "2.14.1"})) == []
    assert differing_versions(summary(ort={}, ort_cuda=NEW)) == []


def test_different_engines_differ_anyway() -> None:
    assert differing_versions(summary(ort=NEW, torch={"torch": "2.14.1", "python": "3.13.0"})) == []


def test_an_engine_elsewhere_is_known_by_its_versions() -> None:
    versions = {"python": "3.11.7", name_elsewhere("python", "ort[python=p]"): "3.12.1"}
    assert runs_elsewhere("ort[python=p]", versions)
    assert not runs_elsewhere("ort", versions)


def test_versions_elsewhere_are_not_taken_for_those_here() -> None:
    record = StudyRecord("ort")
    for engine, library in (("ort[python=p]", "elsewhere"), ("ort", "here")):
        launch = LaunchRecord(cell="b1-t2", launch=1, engine=engine, status="ok", versions={library: "1"})
        record.continue_from([], [launch])
    run = make_run(["ort", "ort[python=p]"], versions={"python in ort[python=p]": "3.12.1"})
    assert finished_run(run, "complete", record, {}).versions == {"here": "1", "python in ort[python=p]": "3.12.1"}

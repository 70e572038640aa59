"""`import ortbench`: everything that the command line does."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import ortbench
from ortbench.export.artifact import Artifact
from ortbench.results.schema import CellKey
from tests.results.factory import make_results

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory, tiny_artifact: Artifact) -> ortbench.Results:
    del tiny_artifact  # found in the cache
    folder = tmp_path_factory.mktemp("python") / "out"
    told: list[str] = []
    results = ortbench.compare(
        engines="ort,null", model="tiny", batch_sizes="1", max_time="4s", output=str(folder), say=told.append
    )
    assert results.path == folder
    return results


def test_a_study_leaves_its_folder_with_charts_and_report(results: ortbench.Results) -> None:
    names = {path.name for path in results.path.iterdir()}
    assert {
        "run.json",
        "rounds.jsonl",
        "summary.md",
        "results.csv",
        "results.parquet",
        "charts",
        "report.html",
    } <= names


def test_results_are_a_typed_object_and_data_frames(results: ortbench.Results) -> None:
    loaded = ortbench.load(results.path)
    assert loaded.summary == results.summary
    frame = loaded.frame()
    assert list(frame["engine"]) == ["ort", "null"]
    assert frame["speedup"].isna().tolist() == [True, False]
    samples = loaded.samples()
    assert len(samples) == sum(len(line.samples_ns) for line in loaded.rounds)
    assert (samples["latency_ms"] >= 0).all()


def test_results_are_checked_and_compared(results: ortbench.Results, tmp_path: Path) -> None:
    # So short a study decides something only where it had two launches.
    gate = ortbench.check(results, ["latency(ort) <= 1s", "null/ort >= 0.001"])
    assert (gate.outcome, gate.exit_status) in {("pass", 0), ("inconclusive", 3)}
    csv = tmp_path / "known.csv"
    csv.write_text(
        "engine,batch_size,threads,latency_ms,latency_low_ms,latency_high_ms\nort,1,1,5,4.9,5.1\n", encoding="utf-8"
    )
    gate = ortbench.check(ortbench.load(csv), ["latency(ort) <= 1s"])
    assert (gate.outcome, gate.exit_status) == ("pass", 0)
    with pytest.raises(ortbench.UsageError):
        ortbench.check(results, ["nonsense"])
    assert ortbench.diff(results, results).cells
    [run] = ortbench.history([results.path]).runs
    assert run.created == results.run.created if results.run else False


def test_a_plan_measures_nothing(tmp_path: Path) -> None:
    planned = ortbench.plan(engines="ort", model="tiny", output=str(tmp_path / "out"))
    assert planned.plan.settings.engines == ("ort",)
    assert not (tmp_path / "out").exists()
    with pytest.raises(TypeError, match="no_such_option"):
        ortbench.plan(no_such_option=1)


def test_the_rest_of_the_command_line_is_there() -> None:
    assert {engine["engine"] for engine in ortbench.list_engines()} >= {"torch", "ort"}
    assert "resnet50" in {model["model"] for model in ortbench.list_models()}
    assert ortbench.exports()["cleared"] is False
    for name in ortbench.__all__:
        assert getattr(ortbench, name)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = ortbench.nonsense


def test_the_example_in_the_documentation_runs(tmp_path: Path) -> None:
    script = ROOT / "examples" / "compare_in_python.py"
    words = ["--model", "tiny", "--max-time", "7s", "--output", str(tmp_path / "out")]
    finished = subprocess.run([sys.executable, script, *words], capture_output=True, text=True, check=False)
    # 0, or 3 where a busy machine left too little time for a cell.
    assert finished.returncode in {0, 3}, finished.stderr
    assert "ort/torch >= 0.5" in finished.stdout
    assert f"report: {tmp_path / 'out' / 'report.html'}" in finished.stdout
    assert json.loads((tmp_path / "out" / "run.json").read_text(encoding="utf-8"))["command"] == ["ortbench.compare"]


def test_a_bare_result_is_shown_in_a_line() -> None:
    results = make_results([CellKey(model="m", batch_size=size, threads=2) for size in (1, 4)])
    assert repr(results) == (
        "Results(path='results', model='m', engines=['torch', 'ort'], cells=2, launches=3, slices=72)"
    )


def test_completion_offers_what_there_is() -> None:
    assert set(ortbench.__all__) < set(dir(ortbench))
    assert "import_module" not in dir(ortbench)
    assert all(hasattr(ortbench, name) for name in dir(ortbench))

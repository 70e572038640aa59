"""`compare --explain` and `show --explain`, with real processes on the fakes and ONNX Runtime."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import ortbench as package
from tests.conftest import CommandLine

pytestmark = pytest.mark.usefixtures("one_launch")


def words(model: Path) -> list[str]:
    cell = ["--batch-sizes", "1,2", "--threads", "1", "--max-time", "5m"]
    return ["compare", "--model", str(model), "--engines", "ort,null", *cell]


def test_a_cell_is_profiled_and_shown_again(ortbench: CommandLine, model_file: Path) -> None:
    outcome = ortbench(*words(model_file), "--explain", "b2-t1", "--output", "out", draw=True)
    assert outcome.status == 0, outcome.stderr
    assert "profiling ort in b2-t1, outside of everything timed" in outcome.stderr
    document = json.loads(Path("out/explain.json").read_text(encoding="utf-8"))
    assert document["cell"]["batch_size"] == 2
    ort, null = document["engines"]
    assert {one["operator"]: one["count"] for one in ort["profile"]["operators"]}["MatMul"] == 1
    assert ort["profile"]["call_ms"] > 0
    assert ort["placement"]["assigned"] == {"CPUExecutionProvider": sum(ort["placement"]["assigned"].values())}
    assert null["profile"]["operators"] is None
    assert "where the time goes" in outcome.stdout
    assert "matrix product" in outcome.stdout
    assert "Where the time goes" in Path("out/report.html").read_text(encoding="utf-8")

    again = ortbench("show", "out", "--explain", "batch_size=2")
    assert again.status == 0
    assert again.stdout in outcome.stdout
    assert json.loads(ortbench("show", "out", "--explain", "b2-t1", "--json").stdout) == document
    other = ortbench("show", "out", "--explain", "b1-t1").stdout
    assert "CPUExecutionProvider" in other
    assert "`ortbench compare --study out --output out --resume --explain b1-t1` makes one." in other
    explained = package.explain(package.load("out"), "b2-t1")
    assert [engine.engine for engine in explained.profiled] == ["ort"]

    # What the hint says works, and measures nothing where the time is spent.
    resumed = ortbench("compare", "--study", "out", "--output", "out", "--resume", "--explain", "b1-t1", "--json")
    assert resumed.status == 0, resumed.stderr
    assert json.loads(resumed.stdout)["explanation"]["cell"]["batch_size"] == 1


@pytest.mark.parametrize("cell", ["b9-t1", "batch_size=9", "threads=1"])
def test_an_unknown_cell_is_refused_before_anything_is_measured(
    ortbench: CommandLine, model_file: Path, cell: str
) -> None:
    outcome = ortbench(*words(model_file), "--explain", cell, "--output", "out")
    assert outcome.status == 2
    assert "[b1-t1, b2-t1]" in outcome.stderr
    assert not Path("out").exists()


def test_an_arm_that_dies_has_no_profile_and_the_others_do(ortbench: CommandLine, model_file: Path) -> None:
    engines = ["--engines", "ort,scripted[raise_at=1]"]
    outcome = ortbench(*words(model_file), *engines, "--explain", "b1-t1", "--output", "out")
    assert outcome.status == 3
    ort, scripted = json.loads(Path("out/explain.json").read_text(encoding="utf-8"))["engines"]
    assert ort["profile"]["operators"]
    assert (scripted["status"], scripted["profile"]) == ("failed", None)
    assert f"scripted[raise_at=1] failed: {scripted['reason']}" in outcome.stdout


def test_a_csv_and_an_output_are_refused(ortbench: CommandLine) -> None:
    Path("figures.csv").write_text("engine,batch_size,threads,latency_ms\na,1,1,5\n", encoding="utf-8")
    outcome = ortbench("show", "figures.csv", "--explain", "b1-t1")
    assert (outcome.status, "is a CSV" in outcome.stderr) == (2, True)
    outcome = ortbench("show", "figures.csv", "--explain", "b1-t1", "--output", "x.md")
    assert (outcome.status, "either --explain or --output" in outcome.stderr) == (2, True)

"""Lanes from end to end, on a small file, with real processes; nothing is asserted about the figures themselves."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from tests.conftest import CommandLine, write_model


@pytest.mark.usefixtures("one_launch")
def test_each_lane_is_compared_inside_itself(ortbench: CommandLine, model_file: Path) -> None:
    words = [
        "--model",
        model_file,
        "--engines",
        "ort,ort[graph_optimization_level=extended]",
        "--precision",
        "fp32,int8",
        "--batch-sizes",
        "2",
    ]
    outcome = ortbench("compare", *words, "--threads", "1", "--max-time", "5m", "--output", "out", draw=True)
    assert outcome.status == 0, outcome.stdout + outcome.stderr
    summary = json.loads(Path("out/summary.json").read_text(encoding="utf-8"))
    assert [cell["precision"] for cell in summary["cells"]] == ["fp32", "int8"]
    for cell in summary["cells"]:
        lanes = {arm["evidence"]["precision"]["lane"] for arm in cell["arms"]}
        assert lanes == {cell["precision"]}
        assert all(arm["speedup"] for arm in cell["arms"][1:])
    run = json.loads(Path("out/run.json").read_text(encoding="utf-8"))
    assert run["settings"]["precision"] == "fp32,int8"
    assert list(run["artifacts"]) == ["fp32", "int8"]
    assert run["artifact"] == run["artifacts"]["fp32"]
    assert run["artifacts"]["fp32"]["path"] == str(model_file)
    with Path("out/results.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["precision"] for row in rows] == ["fp32", "fp32", "int8", "int8"]
    assert float(rows[2]["parity_cosine"]) < float(rows[0]["parity_cosine"])
    assert Path("out/charts/int8/product-latency-2.png").exists()
    assert " cosine " in outcome.stdout
    assert ortbench("compare", "--study", "out", "--dry-run").stdout.splitlines()[0].endswith("fp32,int8, seed 0)")


@pytest.mark.usefixtures("one_launch")
def test_an_arm_of_another_lane_is_compared_when_asked_and_proves_it(ortbench: CommandLine, model_file: Path) -> None:
    engines = "ort,ort[precision=int8],ort[precision=int8,graph_optimization_level=disable],ort[precision=fp16]"
    words = ["--model", model_file, "--engines", engines, "--batch-sizes", "2", "--threads", "1"]
    outcome = ortbench("compare", *words, "--max-time", "5m", "--output", "out")
    assert outcome.status == 3, outcome.stdout
    arms = json.loads(Path("out/summary.json").read_text(encoding="utf-8"))["cells"][0]["arms"]
    assert [arm["status"] for arm in arms] == ["ok", "ok", "invalid", "ok", "ok"]
    assert arms[1]["speedup"] is not None
    assert arms[2]["reason"] == (
        "it was to compute in int8, but no operator of the optimised graph computes in integers"
    )
    assert "computes in float32, on rounded weights" in arms[3]["evidence"]["emulated"]
    assert "in int8 among arms in fp32, as was asked: ort[precision=int8]" in outcome.stdout


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_a_file_is_exported_in_fewer_bits_once(ortbench: CommandLine, tmp_path: Path, precision: str) -> None:
    model_file = write_model(tmp_path / "product.onnx", ["items", 8])
    words = ["export", "--model", model_file, "--precision", precision, "--json"]
    first, again = (json.loads(ortbench(*words).stdout) for _ in range(2))
    assert (first["reused"], again["reused"]) == (False, True)
    identity = first["manifest"]["identity"]
    assert (identity["model"], identity["exporter"], identity["precision"]) == ("product", "file", precision)
    assert ("calibration" in identity["quantization"]) == (precision == "int8")
    assert all(parity["ok"] for parity in first["manifest"]["parity"].values())
    other = json.loads(ortbench(*words, "--seed", "7").stdout)
    assert other["reused"] == (precision == "fp16")


def test_a_lane_that_cannot_be_exported_is_refused(ortbench: CommandLine, model_file: Path) -> None:
    outcome = ortbench("export", "--model", model_file, "--precision", "bf16")
    assert outcome.status == 2
    assert outcome.stderr == "Error: Expected --precision to be one of [fp32, fp16, int8], but got 'bf16'.\n"
    outcome = ortbench("compare", "--model", model_file, "--precision", "bf16", "--dry-run")
    assert outcome.status == 2
    assert outcome.stderr.startswith("Error: The engine 'ort' cannot compute in bf16: ONNX Runtime's CPU provider has ")

"""Parity before any timing, from end to end, with real processes and faults at known places."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from ortbench.results.journal import read_launches, read_rounds
from ortbench.runner import blame
from tests.conftest import CommandLine, end_after_launches


def summary(folder: str = "out") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((Path(folder) / "summary.json").read_text(encoding="utf-8"))
    return found


def write(path: Path, operator: str, weight: float = 1.0) -> Path:
    """Write y = operator(x) * w."""
    nodes = [helper.make_node(operator, ["x"], ["inner"]), helper.make_node("Mul", ["inner", "w"], ["y"])]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 4]) for name in ("x", "y")]
    weights = [numpy_helper.from_array(np.full(4, weight, np.float32), "w")]
    graph = helper.make_graph(nodes, "g", values[:1], values[1:], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    return path


@pytest.mark.usefixtures("one_launch", "tiny_artifact")
def test_a_wrong_arm_is_never_timed_and_the_place_is_named(ortbench: CommandLine) -> None:
    engine = "scripted[wrong_at=relu]"
    words = ["--model", "tiny", "--engines", f"ort,{engine}", "--batch-sizes", "1,2", "--max-time", "5m"]
    outcome = ortbench("compare", *words, "--output", "out")
    assert outcome.status == 3
    place = "the first tensor that differs is 'relu' (node Relu 'node_relu')"
    for cell, end in zip(summary()["cells"], (place, f"{place} (found in {{}})"), strict=True):
        wrong = cell["arms"][1]
        assert (wrong["status"], wrong["speedup"], wrong["samples"]) == ("invalid", None, 0)
        assert wrong["reason"].startswith("parity failed: output 'output' differs by ")
        first = f"b1-t{cell['threads']}"
        assert wrong["reason"].endswith(end.format(first))
    assert summary()["cells"][0]["arms"][0]["parity"]["ok"] is True
    assert engine not in {line.engine for line in read_rounds(Path("out"))}
    assert "that fp32 allows; the first tensor that differs is 'relu'" in outcome.stdout


def test_many_inputs_are_compared_once_for_each_arm_before_the_first_timing(
    ortbench: CommandLine, model_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    end_after_launches(monkeypatch, 2)
    words = ["--model", model_file, "--engines", "ort,null", "--batch-sizes", "3,5", "--max-time", "5m"]
    assert ortbench("compare", *words, "--output", "out").status == 0
    launches = read_launches(Path("out"))
    full = [record for record in launches if (record.parity or {}).get("full")]
    assert sorted((record.cell[:2], record.launch, record.engine, record.twin) for record in full) == [
        ("b3", 1, "ort", False),
        ("b3", 1, "ort", True),
    ], "a twin is checked as its engine is"
    for record in full:
        parity = record.parity or {}
        assert (parity["inputs"], parity["classes"] > 1, parity["top1_agreement"]) == (66, True, 1.0)
        assert parity["tolerance"]["lane"] == "fp32"
        assert parity["tolerance"]["source"].startswith("measured: ")
    quick = [record.parity or {} for record in launches if record not in full and record.engine == "ort"]
    assert quick
    assert {parity["inputs"] for parity in quick} <= {3, 5}
    run = json.loads(Path("out/run.json").read_text(encoding="utf-8"))
    assert run["time_s"]["parity"] > 0
    assert "null is a fake: its figures are no engine's" in run["notes"]


def test_rows_of_a_file_are_what_is_compared(ortbench: CommandLine, model_file: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "in.npz", x=np.ones((5, 8), np.float32))
    words = ["--model", model_file, "--inputs", tmp_path / "in.npz", "--batch-sizes", "2", "--max-time", "2s"]
    assert ortbench("compare", *words, "--output", "out").status == 0
    found = summary()
    assert found["cells"][0]["arms"][0]["parity"]["inputs"] == 5
    assert "ort: only 5 inputs were compared: --inputs holds no more" in found["notes"]


def test_nan_in_the_outputs_is_told(ortbench: CommandLine, tmp_path: Path) -> None:
    words = ["--model", write(tmp_path / "m.onnx", "Sqrt"), "--batch-sizes", "64", "--max-time", "2s"]
    assert ortbench("compare", *words, "--output", "out").status == 0
    found = summary()
    [parity] = [arm["parity"] for arm in found["cells"][0]["arms"] if not arm["twin"]]
    assert (parity["ok"], parity["inputs"]) == (True, 64)
    assert 0 < parity["nan"] < 256
    assert parity["intermediates"]["nan"] == parity["nan"]
    assert f"ort: outputs hold {parity['nan']} NaN, for 64 inputs" in found["notes"]
    assert f"its intermediate tensors hold {parity['nan']} NaN (first in 'inner')" in found["notes"]


def test_denormal_weights_are_told(ortbench: CommandLine, tmp_path: Path) -> None:
    words = ["--model", write(tmp_path / "m.onnx", "Relu", 1e-40), "--batch-sizes", "1", "--max-time", "2s"]
    outcome = ortbench("compare", *words, "--output", "out")
    assert outcome.status == 0
    note = "the model's weights hold 4 denormals (first in 'w'), which can make every call on them many times slower"
    assert note in summary()["notes"]
    assert summary()["cells"][0]["arms"][0]["parity"]["weights"]["denormal"] == 4


def test_integer_outputs_are_compared_exactly(ortbench: CommandLine, tmp_path: Path) -> None:
    nodes = [helper.make_node("Cast", ["x"], ["y"], to=TensorProto.INT64)]
    values = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 4])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.INT64, ["N", 4])]
    graph = helper.make_graph(nodes, "g", values, outputs)
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(tmp_path / "m.onnx")
    )
    words = ["--model", tmp_path / "m.onnx", "--engines", "ort,scripted[wrong_output=true]", "--batch-sizes", "2"]
    assert ortbench("compare", *words, "--max-time", "2s", "--output", "out").status == 3
    right, wrong, *_ = summary()["cells"][0]["arms"]
    assert right["parity"]["ok"] is True
    assert wrong["reason"] == (
        "parity failed: output 'y' differs in 8 of 8 values, by at most 1; "
        "the first tensor that differs is 'y' (node Cast)"
    )


@pytest.mark.usefixtures("one_launch", "tiny_artifact")
def test_the_reference_may_be_computed_in_float64(ortbench: CommandLine) -> None:
    words = ["--model", "tiny", "--engines", "ort,torch", "--batch-sizes", "1", "--max-time", "5m"]
    assert ortbench("compare", *words, "--reference", "float64", "--output", "out").status == 0
    ort, torch, _ = (arm["parity"] for arm in summary()["cells"][0]["arms"])
    assert torch["reference"] == ort["reference"] == "torch in float64"
    # Against itself in fp32 it would be exact.
    assert 0 < torch["max_abs_error"] < 1e-5
    assert 0 < ort["max_abs_error"] < 1e-5


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--reference", "fp16"], "Expected --reference to be one of [fp32, float64], but got 'fp16'."),
        (["--reference", "float64"], "fixes the types of its own tensors. Leave the option out."),
    ],
)
def test_a_reference_that_there_is_not_is_refused(
    ortbench: CommandLine, model_file: Path, words: list[str], message: str
) -> None:
    outcome = ortbench("compare", "--model", model_file, *words, "--output", "out")
    assert outcome.status == 2
    assert message in outcome.stderr
    assert not Path("out").exists()


def test_a_search_that_fails_costs_the_study_nothing(
    ortbench: CommandLine, model_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blame, "LIMIT_S", -1.0)
    words = ["--model", model_file, "--engines", "ort,scripted[wrong_output=true]", "--batch-sizes", "1"]
    assert ortbench("compare", *words, "--max-time", "2s", "--output", "out").status == 3
    right, wrong, *_ = summary()["cells"][0]["arms"]
    assert (right["status"], wrong["status"]) == ("ok", "invalid")
    assert "; where it begins was not found: the first tensor that differs was not found within" in wrong["reason"]

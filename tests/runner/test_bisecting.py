"""Bisection for real, over ONNX files and over a PyTorch module, each with a fault at a known place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from ortbench.engines.base import LoadRequest
from ortbench.engines.onnx_graph import graph_nodes, load_graph
from ortbench.engines.pytorch import TorchEngine
from ortbench.engines.torchscript import TorchScriptEngine
from ortbench.errors import ArmError
from ortbench.models.catalog import find_model
from ortbench.models.inputs import make_inputs
from ortbench.models.parity import FP32
from ortbench.runner import job_messages
from ortbench.runner.bisecting import _Probe, bisect, first_layer
from ortbench.runner.sources import InputOptions, resolve_model


def residual(path: Path, blocks: int = 3) -> Path:
    """Blocks of x + relu(x @ w), so that one path passes every fault by."""
    nodes, weights, before = [], [], "x"
    for index in range(blocks):
        matrix = np.linspace(-1, 1, 64, dtype=np.float32).reshape(8, 8)
        weights.append(numpy_helper.from_array(matrix, f"w{index}"))
        nodes += [
            helper.make_node("MatMul", [before, f"w{index}"], [f"product{index}"], name=f"matmul{index}"),
            helper.make_node("Relu", [f"product{index}"], [f"relu{index}"], name=f"relu{index}"),
            helper.make_node("Add", [before, f"relu{index}"], [f"sum{index}"], name=f"add{index}"),
        ]
        before = f"sum{index}"
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 8]) for name in ("x", before)]
    graph = helper.make_graph(nodes, "residual", values[:1], values[1:], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    return path


def question(
    path: Path, folder: Path, engine: str = "scripted", limit_s: float = 60, **options: str
) -> job_messages.Bisect:
    source = resolve_model(str(path), None, 0, InputOptions()).source
    load = LoadRequest(source=source, artifact=str(path), target="cpu", threads=1, options=dict(options))
    return job_messages.Bisect(
        engine=engine, request=load, batch_size=2, index=1, tolerance=FP32, limit_s=limit_s, scratch=str(folder)
    )


@pytest.mark.parametrize(
    ("tensor", "node"), [("product0", "MatMul 'matmul0'"), ("relu1", "Relu 'relu1'"), ("sum2", "Add 'add2'")]
)
def test_a_fault_in_a_graph_with_branches_is_named(tmp_path: Path, tensor: str, node: str) -> None:
    found = bisect(question(residual(tmp_path / "m.onnx"), tmp_path, wrong_at=tensor))
    assert found == f"the first tensor that differs is '{tensor}' (node {node})"


@pytest.mark.parametrize("engine", ["ort", "openvino"])
def test_an_engine_that_is_right_leaves_the_file_to_blame(tmp_path: Path, engine: str) -> None:
    found = bisect(question(residual(tmp_path / "m.onnx"), tmp_path, engine))
    assert found.startswith("it agrees with ONNX Runtime without graph optimisations")


def test_openvino_runs_a_model_that_is_cut_anywhere(tmp_path: Path) -> None:
    """Cut models declare no types on the way; the search over them must not take that for a difference."""
    path = residual(tmp_path / "m.onnx")
    probe = _Probe(question(path, tmp_path, "openvino"), load_graph(path), float("inf"))
    differing = [name for node in graph_nodes(probe.model) for name in node.outputs if probe.differs(name)]
    assert (differing, probe.unseen) == ([], [])


def test_the_time_is_limited(tmp_path: Path) -> None:
    with pytest.raises(ArmError, match=r"the first tensor that differs was not found within 0"):
        bisect(question(residual(tmp_path / "m.onnx"), tmp_path, limit_s=0, wrong_at="relu0"))


def test_nothing_is_left_of_the_cut_models(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    bisect(question(residual(tmp_path / "m.onnx"), scratch, wrong_at="relu1"))
    assert list(scratch.iterdir()) == []


@pytest.fixture
def tiny() -> job_messages.Bisect:
    load = LoadRequest(source=find_model("tiny").source(), artifact=None, target="cpu", threads=1)
    return job_messages.Bisect(
        engine="torch", request=load, batch_size=2, index=0, tolerance=FP32, limit_s=60, scratch="unused"
    )


def test_a_wrong_layer_of_an_eager_module_is_named(tiny: job_messages.Bisect) -> None:
    right, wrong = TorchEngine(), TorchEngine()
    try:
        right.load(tiny.request)
        wrong.load(tiny.request)
        expected: dict[str, object] = {}
        with torch.inference_mode(mode=False), torch.no_grad():
            wrong._call[1].bias += 1
        right.bind(make_inputs(tiny.request.source, 2))
        assert right.intermediates(expected.__setitem__)
        assert list(expected) == ["0", "1", "2", "3", "4", "5"]
        assert first_layer(tiny, expected, wrong) == "the first layer whose output differs is '1'"
        assert first_layer(tiny, expected, right) == (
            "no layer differs from eager PyTorch on the CPU by more than that"
        )
    finally:
        for engine in (wrong, right):
            engine._inference_mode.__exit__(None, None, None)


def test_layers_that_are_written_over_or_called_twice_are_no_difference(tiny: job_messages.Bisect) -> None:
    engine = TorchEngine()
    try:
        engine.load(tiny.request)
        relu = torch.nn.ReLU(inplace=True)
        layers = [torch.nn.BatchNorm2d(3).eval(), relu, torch.nn.BatchNorm2d(3).eval(), relu]
        with torch.inference_mode(mode=False):
            engine._call = torch.nn.Sequential(*layers, torch.nn.Conv2d(3, 2, 3), relu).requires_grad_(
                requires_grad=False
            )
        expected: dict[str, object] = {}
        engine.bind(make_inputs(tiny.request.source, 2))
        assert engine.intermediates(expected.__setitem__)
        assert list(expected) == ["0", "1", "2", "1, call 2", "4", "1, call 3"]
        assert first_layer(tiny, expected, engine) == "no layer differs from eager PyTorch on the CPU by more than that"
    finally:
        engine._inference_mode.__exit__(None, None, None)


def test_an_engine_that_shows_nothing_cannot_be_bisected(tiny: job_messages.Bisect) -> None:
    engine = TorchScriptEngine()
    try:
        engine.load(tiny.request)
        assert first_layer(tiny, {}, engine) == (
            "it cannot be bisected: this engine does not show its intermediate tensors"
        )
    finally:
        engine._inference_mode.__exit__(None, None, None)

"""OpenVINO's outputs stay where it wrote them while calls are timed, and are right when they are asked for."""

from __future__ import annotations

import tracemalloc

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from ortbench.engines.base import LoadRequest
from ortbench.engines.openvino_native import OpenVinoEngine
from ortbench.models.spec import ModelSource

pytest.importorskip("openvino", reason="needs OpenVINO")
WIDTH = 1_000_000


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> OpenVinoEngine:
    path = tmp_path_factory.mktemp("openvino") / "double.onnx"
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", WIDTH]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Add", ["x", "x"], ["y"])], "double", ends[:1], ends[1:])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    engine = OpenVinoEngine()
    engine.load(LoadRequest(source=ModelSource(name="m", inputs=()), artifact=str(path), target="cpu", threads=1))
    return engine


def test_no_call_copies_the_outputs(engine: OpenVinoEngine) -> None:
    engine.bind({"x": np.ones((1, WIDTH), np.float32)})
    engine.run()
    tracemalloc.start()
    try:
        engine.run()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # numpy tells Python of the memory that its arrays take: four megabytes where they are copied.
    assert peak < WIDTH


def test_the_outputs_are_those_of_the_last_call_and_stay_what_they_were(engine: OpenVinoEngine) -> None:
    values = np.full((1, WIDTH), 1.5, np.float32)
    engine.bind({"x": values})
    engine.run()
    first = engine.outputs()
    assert first
    engine.bind({"x": values + 1})
    engine.run()
    second = engine.outputs()
    assert second
    assert (first["y"].min(), first["y"].max()) == (3, 3), "another call does not write into what was handed out"
    assert (second["y"].min(), second["y"].max()) == (5, 5)

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from ortbench.engines.onnx_graph import ancestors, graph_nodes, load_graph, showing, truncated, with_fault

LIGHT = Path(onnx.__file__).parent / "backend/test/data/light"


def diamond(path: Path) -> Path:
    """a = relu(x); left = a * w; right = a + w; y = left - right, with a weight that only `right` reads."""
    nodes = [
        helper.make_node("Relu", ["x"], ["a"], name="first"),
        helper.make_node("Mul", ["a", "w"], ["left"]),
        helper.make_node("Add", ["a", "v"], ["right"]),
        helper.make_node("Sub", ["left", "right"], ["y"], name="last"),
    ]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 2]) for name in ("x", "y")]
    weights = [numpy_helper.from_array(np.full(2, value, np.float32), name) for name, value in (("w", 3), ("v", 5))]
    graph = helper.make_graph(nodes, "diamond", values[:1], values[1:], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    return path


def run(model: onnx.ModelProto) -> dict[str, list[float]]:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    results = session.run(names, {"x": np.array([[-1.0, 2.0]], np.float32)})
    return {name: result[0].tolist() for name, result in zip(names, results, strict=True)}


def test_a_model_is_cut_off_at_any_tensor(tmp_path: Path) -> None:
    model = load_graph(diamond(tmp_path / "m.onnx"))
    assert run(truncated(model, "a")) == {"a": [0.0, 2.0]}
    assert run(truncated(model, "left")) == {"left": [0.0, 6.0]}
    assert run(truncated(model, "y")) == run(model) == {"y": [-5.0, -1.0]}


def test_a_cut_model_keeps_only_what_it_needs(tmp_path: Path) -> None:
    cut = truncated(load_graph(diamond(tmp_path / "m.onnx")), "left")
    assert [node.op_type for node in cut.graph.node] == ["Relu", "Mul"]
    assert [tensor.name for tensor in cut.graph.initializer] == ["w"]


def test_tensors_on_the_way_can_be_shown(tmp_path: Path) -> None:
    assert run(showing(load_graph(diamond(tmp_path / "m.onnx")), ["right", "a"])) == {
        "right": [5.0, 7.0],
        "a": [0.0, 2.0],
    }


@pytest.mark.parametrize(
    ("tensor", "expected"), [("a", [-3.0, 1.0]), ("left", [-4.0, 0.0]), ("y", [-4.0, 0.0]), ("none", [-5.0, -1.0])]
)
def test_a_planted_fault_shows_wherever_the_tensor_is_read(tmp_path: Path, tensor: str, expected: list[float]) -> None:
    assert run(with_fault(load_graph(diamond(tmp_path / "m.onnx")), tensor)) == {"y": expected}


def test_ancestors_are_in_order_and_nothing_else(tmp_path: Path) -> None:
    nodes = graph_nodes(load_graph(diamond(tmp_path / "m.onnx")))
    assert [node.outputs for node in ancestors(nodes, "right")] == [("a",), ("right",)]
    assert ancestors(nodes, "x") == []


def test_what_a_subgraph_reads_counts_as_read() -> None:
    branch = helper.make_graph(
        [helper.make_node("Relu", ["outer"], ["inner"])],
        "branch",
        [],
        [helper.make_tensor_value_info("inner", TensorProto.FLOAT, None)],
    )
    nodes = [
        helper.make_node("Identity", ["x"], ["outer"]),
        helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch),
    ]
    model = helper.make_model(helper.make_graph(nodes, "g", [], []))
    assert set(graph_nodes(model)[1].inputs) == {"c", "outer"}


def test_weights_that_a_file_lists_as_inputs_stay_weights() -> None:
    model = load_graph(LIGHT / "light_squeezenet.onnx")
    tensor = graph_nodes(model)[2].outputs[0]
    session = onnxruntime.InferenceSession(truncated(model, tensor).SerializeToString())
    assert [value.name for value in session.get_inputs()] == ["data_0"]

"""Small .onnx files with inputs as other people's models have them: where the batch is, and what values mean."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import ArrayLike
from onnx import GraphProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

FLOAT, INT64, STRING, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.STRING, TensorProto.BOOL
Shape = Sequence[int | str | None]


def value(name: str, shape: Shape, kind: int = FLOAT) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, list(shape))


def weights(name: str, *shape: int) -> TensorProto:
    numbers = np.random.default_rng(0).standard_normal(shape) / np.sqrt(shape[-2])
    return numpy_helper.from_array(numbers.astype(np.float32), name)


def constant(name: str, array: ArrayLike, dtype: type[np.generic] = np.int64) -> TensorProto:
    return numpy_helper.from_array(np.asarray(array, dtype), name)


def save(
    path: Path,
    nodes: Sequence[NodeProto],
    inputs: Sequence[ValueInfoProto],
    outputs: Sequence[ValueInfoProto],
    initializers: Sequence[TensorProto] = (),
) -> Path:
    graph = helper.make_graph(list(nodes), path.stem, list(inputs), list(outputs), list(initializers))
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 2)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), str(path))
    return path


def table(folder: Path) -> Path:
    """A column of text beside numbers."""
    encoder = helper.make_node(
        "LabelEncoder",
        ["colour"],
        ["code"],
        domain="ai.onnx.ml",
        keys_strings=["red", "grün"],
        values_floats=[0.0, 1.0],
        default_float=-1.0,
    )
    nodes = [encoder, helper.make_node("Concat", ["code", "numbers"], ["all"], axis=1)]
    nodes.append(helper.make_node("MatMul", ["all", "w"], ["score"]))
    inputs = [value("colour", ["N", 1], STRING), value("numbers", ["N", 4])]
    return save(folder / "table.onnx", nodes, inputs, [value("score", ["N", 3])], [weights("w", 5, 3)])


def recurrent(folder: Path, steps: int | str) -> Path:
    """Time first, the batch second."""
    nodes = [
        helper.make_node("GRU", ["x", "W", "R", "B", "", "h"], ["y4", "hn"], hidden_size=8, linear_before_reset=1),
        helper.make_node("Squeeze", ["y4", "one"], ["y"]),
    ]
    inputs = [value("x", [steps, "batch_size", 8]), value("h", [1, "batch_size", 8])]
    outputs = [value("y", [steps, "batch_size", 8]), value("hn", [1, "batch_size", 8])]
    inner = [weights("W", 1, 24, 8), weights("R", 1, 24, 8), constant("B", np.zeros((1, 48)), np.float32)]
    return save(folder / f"gru_{steps}.onnx", nodes, inputs, outputs, [*inner, constant("one", [1])])


def voice(folder: Path) -> Path:
    """A frame, a state whose batch is its second axis, nothing with a name, and a rate that selects a branch."""

    def branch(name: str, factor: float) -> GraphProto:
        nodes = [
            helper.make_node("ReduceMean", ["state"], [f"{name}m"], axes=[0], keepdims=0),
            helper.make_node("MatMul", ["input", "w"], [f"{name}e"]),
            helper.make_node("Add", [f"{name}e", f"{name}m"], [f"{name}s"]),
            helper.make_node("Mul", [f"{name}s", f"{name}f"], [f"{name}y"]),
            helper.make_node("Tanh", ["state"], [f"{name}n"]),
        ]
        outputs = [helper.make_tensor_value_info(f"{name}{end}", FLOAT, None) for end in "yn"]
        return helper.make_graph(nodes, name, [], outputs, [constant(f"{name}f", factor, np.float32)])

    nodes = [
        helper.make_node("Equal", ["sr", "fast"], ["is_fast"]),
        helper.make_node("If", ["is_fast"], ["y", "stateN"], then_branch=branch("a", 1), else_branch=branch("b", 2)),
    ]
    inputs = [value("input", [None, None]), value("state", [2, None, 16]), value("sr", [], INT64)]
    outputs = [value("y", [None, 16]), value("stateN", [None, None, None])]
    return save(folder / "voice.onnx", nodes, inputs, outputs, [weights("w", 64, 16), constant("fast", 16000)])


def towers(folder: Path) -> Path:
    """A batch of images and a batch of texts."""
    nodes = [
        helper.make_node("Flatten", ["image"], ["flat"]),
        helper.make_node("MatMul", ["flat", "wi"], ["i"]),
        helper.make_node("Gather", ["table", "ids"], ["words"]),
        helper.make_node("ReduceMean", ["words"], ["t"], axes=[1], keepdims=0),
        helper.make_node("Transpose", ["t"], ["tt"], perm=[1, 0]),
        helper.make_node("MatMul", ["i", "tt"], ["logits"]),
    ]
    inputs = [value("ids", ["text_batch_size", "sequence"], INT64), value("image", ["image_batch_size", 3, 4, 4])]
    outputs = [value("logits", ["image_batch_size", "text_batch_size"])]
    return save(folder / "towers.onnx", nodes, inputs, outputs, [weights("wi", 48, 8), weights("table", 30, 8)])


def decoder(folder: Path) -> Path:
    """A step with a cache that may be empty."""
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["x"]),
        helper.make_node("Unsqueeze", ["x", "one"], ["new"]),
        helper.make_node("Concat", ["past", "new"], ["present"], axis=2),
        helper.make_node("ReduceSum", ["mask"], ["m"], keepdims=0),
        helper.make_node("Cast", ["m"], ["scale"], to=FLOAT),
        helper.make_node("Mul", ["present", "scale"], ["y"]),
    ]
    inputs = [
        value("ids", ["batch_size", "sequence_length"], INT64),
        value("mask", ["batch_size", "past_length + sequence_length"], INT64),
        value("past", ["batch_size", 1, "past_length", 4]),
    ]
    outputs = [value("y", ["batch_size", 1, "past_length + sequence_length", 4])]
    return save(folder / "decoder.onnx", nodes, inputs, outputs, [weights("table", 50, 4), constant("one", [1])])


def merged(folder: Path) -> Path:
    """A boolean that selects a branch."""

    def branch(name: str, kind: str) -> GraphProto:
        output = [helper.make_tensor_value_info(name, FLOAT, None)]
        return helper.make_graph([helper.make_node(kind, ["x"], [name])], name, [], output)

    nodes = [helper.make_node("If", ["cached"], ["y"], then_branch=branch("a", "Relu"), else_branch=branch("b", "Exp"))]
    inputs = [value("x", ["batch", 8]), value("cached", [1], BOOL)]
    return save(folder / "merged.onnx", nodes, inputs, [value("y", ["batch", 8])])


def detector(folder: Path) -> Path:
    """Boxes of all pictures together, as many as there are."""
    nodes = [
        helper.make_node("NonMaxSuppression", ["boxes", "scores", "most"], ["found"]),
        helper.make_node("Cast", ["found"], ["dets"], to=FLOAT),
    ]
    inputs = [value("boxes", ["batch", 6, 4]), value("scores", ["batch", 1, 6])]
    return save(folder / "detector.onnx", nodes, inputs, [value("dets", ["num_dets", 3])], [constant("most", [3])])


def question_marks(folder: Path) -> Path:
    """Two dimensions that are both called '?', and a batch of -1."""
    nodes = [helper.make_node("GlobalAveragePool", ["x"], ["p"]), helper.make_node("Flatten", ["p"], ["y"])]
    return save(folder / "marks.onnx", nodes, [value("x", [-1, 3, "?", "?"])], [value("y", [-1, 3])])


def only_some_values(folder: Path) -> Path:
    """An integer for which 0 and 1 are errors."""
    rows = np.full(16001, 99)
    rows[[8000, 16000]] = 0
    nodes = [
        helper.make_node("Gather", ["rows", "sr"], ["row"]),
        helper.make_node("Gather", ["gains", "row"], ["gain"]),
        helper.make_node("Mul", ["x", "gain"], ["y"]),
    ]
    inputs = [value("x", ["batch", 8]), value("sr", [], INT64)]
    gains = [constant("rows", rows), constant("gains", [0.5, 1.0], np.float32)]
    return save(folder / "only_some_values.onnx", nodes, inputs, [value("y", ["batch", 8])], gains)

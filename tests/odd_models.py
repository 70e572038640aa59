"""Small models with what real files have and test models usually lack; each writes itself into a folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

FLOAT, HALF, INT64, TEXT = TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.INT64, TensorProto.STRING


def tensor(name: str, shape: Sequence[int | str | None] | None, kind: int = FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def constant(name: str, value: object) -> onnx.TensorProto:
    return numpy_helper.from_array(np.asarray(value), name)


def model(
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[onnx.ValueInfoProto],
    outputs: Sequence[onnx.ValueInfoProto],
    constants: Sequence[onnx.TensorProto] = (),
) -> onnx.ModelProto:
    graph = helper.make_graph(nodes, "g", inputs, outputs, constants)
    opsets = [
        helper.make_opsetid("", 17),
        helper.make_opsetid("ai.onnx.ml", 1),
        helper.make_opsetid("com.microsoft", 1),
    ]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def weights(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32) / np.float32(np.sqrt(shape[0]))


def node(operator: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(operator, inputs, outputs, **attributes)


def quantised() -> onnx.ModelProto:
    """A network in QDQ, every sum of which lies between two steps: graphs that add otherwise take other steps."""
    rng, nodes, last = np.random.default_rng(0), [], "x"
    constants = [constant("as", np.float32(0.1)), constant("ws", np.float32(0.05)), constant("ys", np.float32(0.01))]
    constants.append(constant("zero", np.int8(0)))
    for layer in map(str, range(4)):
        constants.append(constant("w" + layer, rng.integers(-2, 3, (64, 64)).astype(np.int8)))
        nodes += [
            node("QuantizeLinear", [last, "as", "zero"], ["q" + layer]),
            node("DequantizeLinear", ["q" + layer, "as", "zero"], ["d" + layer]),
            node("DequantizeLinear", ["w" + layer, "ws", "zero"], ["v" + layer]),
            node("MatMul", ["d" + layer, "v" + layer], ["m" + layer]),
            node("QuantizeLinear", ["m" + layer, "ys", "zero"], ["o" + layer]),
            node("DequantizeLinear", ["o" + layer, "ys", "zero"], ["r" + layer]),
        ]
        last = "r" + layer
    nodes.append(node("Identity", [last], ["y"]))
    return model(nodes, [tensor("x", ["batch", 64])], [tensor("y", ["batch", 64])], constants)


def half() -> onnx.ModelProto:
    """Float16 throughout, with sums that engines round differently."""
    nodes, last, constants = [], "x", []
    for layer in map(str, range(6)):
        constants.append(constant("w" + layer, (weights(256, 256, seed=int(layer)) * 1.4).astype(np.float16)))
        nodes += [node("MatMul", [last, "w" + layer], ["m" + layer]), node("Relu", ["m" + layer], ["r" + layer])]
        last = "r" + layer
    return model(nodes, [tensor("x", ["batch", 256], HALF)], [tensor(last, ["batch", 256], HALF)], constants)


def random_values() -> onnx.ModelProto:
    nodes = [
        node("MatMul", ["x", "w"], ["mean"]),
        node("RandomNormalLike", ["mean"], ["noise"], name="sample"),
        node("Add", ["mean", "noise"], ["y"]),
    ]
    return model(nodes, [tensor("x", ["batch", 8])], [tensor("y", ["batch", 4])], [constant("w", weights(8, 4))])


def random_length() -> onnx.ModelProto:
    nodes = [
        node("RandomNormalLike", ["x"], ["noise"], name="dropout_noise"),
        node("Greater", ["noise", "zero"], ["keep"]),
        node("Reshape", ["x", "flat"], ["values"]),
        node("Reshape", ["keep", "flat"], ["kept"]),
        node("Compress", ["values", "kept"], ["y"], axis=0),
    ]
    constants = [constant("zero", np.float32(0)), constant("flat", np.array([-1]))]
    return model(nodes, [tensor("x", ["batch", 64])], [tensor("y", ["samples"])], constants)


def wrong_rank() -> onnx.ModelProto:
    """An output that is declared with two dimensions and has three, which nothing in the file tells before it runs."""
    nodes = [
        node("MatMul", ["x", "w"], ["h"]),
        node("ReduceMax", ["h"], ["top"], keepdims=0),
        node("Less", ["top", "huge"], ["yes"]),
        node("Expand", ["yes", "three"], ["all"]),
        node("Compress", ["sizes", "all"], ["shape"]),
        node("Reshape", ["h", "shape"], ["y"]),
    ]
    constants = [constant("w", weights(8, 4)), constant("huge", np.float32(1e30)), constant("three", np.array([3]))]
    constants.append(constant("sizes", np.array([-1, 1, 4])))
    return model(nodes, [tensor("x", ["n", 8])], [tensor("y", [1, "seqlen"])], constants)


def classifier(labels: Sequence[str | int], *, as_maps: bool) -> onnx.ModelProto:
    """A linear classifier as scikit-learn's converter writes it: its probabilities are maps unless told otherwise."""
    kind = "strings" if isinstance(labels[0], str) else "ints"
    attributes = {f"classlabels_{kind}": list(labels), "coefficients": weights(12).tolist(), "intercepts": [0.0] * 3}
    nodes = [
        node("LinearClassifier", ["x"], ["label", "p"], domain="ai.onnx.ml", post_transform="SOFTMAX", multi_class=1,
             **attributes),
    ]  # fmt: skip
    outputs = [tensor("label", [None], TEXT if kind == "strings" else INT64)]
    if as_maps:
        nodes.append(node("ZipMap", ["p"], ["probabilities"], domain="ai.onnx.ml", classlabels_int64s=list(labels)))
        values = helper.make_map_type_proto(INT64, helper.make_tensor_type_proto(FLOAT, []))
        outputs.append(helper.make_value_info("probabilities", helper.make_sequence_type_proto(values)))
    else:
        outputs.append(tensor("p", [None, 3]))
    return model(nodes, [tensor("x", [None, 4])], outputs)


def segmentation(classes: int = 5) -> onnx.ModelProto:
    """Only the classes of its pixels leave it."""
    nodes = [
        node("Conv", ["image", "w"], ["logits"], kernel_shape=[1, 1]),
        node("ArgMax", ["logits"], ["chosen"], axis=1, keepdims=1),
        node("Squeeze", ["chosen", "one"], ["classes"]),
    ]
    constants = [constant("w", weights(classes, 3).reshape(classes, 3, 1, 1)), constant("one", np.array([1]))]
    outputs = [tensor("classes", ["batch", 8, 8], INT64)]
    return model(nodes, [tensor("image", ["batch", 3, 8, 8])], outputs, constants)


def write(made: onnx.ModelProto, path: Path) -> Path:
    onnx.save(made, str(path))
    return path

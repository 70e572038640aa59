"""The work of an ONNX graph, against numbers computed by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from ortbench.engines.graph_work import count_file, count_model
from ortbench.export.onnx_file import read_signature
from ortbench.models.catalog import find_model
from ortbench.models.spec import BATCH, ModelSource, TensorSpec
from ortbench.models.work import Tally, UncountableError, count_module

FLOAT = TensorProto.FLOAT


def model(
    nodes: list[Any], inputs: dict[str, list[Any]], weights: dict[str, list[int]], dtype: Any = np.float32
) -> Any:
    """Return a model of these nodes whose output is `y`; weights are zeros."""
    element = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(name, element, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info("y", element, None)],
        [numpy_helper.from_array(np.zeros(shape, dtype), name) for name, shape in weights.items()],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1), helper.make_opsetid("own", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def source(**inputs: tuple[int | str, ...]) -> ModelSource:
    return ModelSource(name="m", path="m.onnx", inputs=tuple(TensorSpec(name, shape) for name, shape in inputs.items()))


def tally(flops: int, weights: int, activations: int, *dtypes: str) -> Tally:
    return Tally(flops, weights, activations, frozenset(dtypes or ("float32",)))


def test_a_convolution_with_strides_and_groups() -> None:
    # 8 channels of 9x9 in 2 groups, 6 filters of 4 channels and 3x3, every second place: 4x4 places.
    node = helper.make_node("Conv", ["x", "w", "b"], ["y"], strides=[2, 2], group=2)
    made = model([node], {"x": ["N", 8, 9, 9]}, {"w": [6, 4, 3, 3], "b": [6]})
    expected = tally(2 * 6 * 16 * 4 * 9, 6 * 4 * 9, 8 * 81 + 6 * 16)
    assert count_model(made, source(x=(BATCH, 8, 9, 9))) == expected


def test_a_gemm_and_what_follows_it() -> None:
    nodes = [
        helper.make_node("Gemm", ["x", "w", "b"], ["h"], transB=1),
        helper.make_node("Relu", ["h"], ["r"]),
        helper.make_node("MatMul", ["r", "v"], ["y"]),
    ]
    made = model(nodes, {"x": ["N", 5]}, {"w": [7, 5], "b": [7], "v": [7, 3]})
    expected = tally(2 * 7 * 5 + 2 * 3 * 7, 7 * 5 + 7 * 3, (5 + 7) + (7 + 3))
    assert count_model(made, source(x=(BATCH, 5))) == expected


def test_a_product_of_two_inputs_has_no_weights() -> None:
    made = model([helper.make_node("MatMul", ["a", "b"], ["y"])], {"a": ["N", 2, 8], "b": ["N", 8, 4]}, {})
    found = count_model(made, source(a=(BATCH, 2, 8), b=(BATCH, 8, 4)))
    assert found == tally(2 * 2 * 8 * 4, 0, 2 * 8 + 8 * 4 + 2 * 4)


def test_a_shared_weight_is_read_once_and_what_is_constant_is_no_work() -> None:
    nodes = [
        helper.make_node("MatMul", ["w", "w"], ["ww"]),
        helper.make_node("MatMul", ["x", "w"], ["h"]),
        helper.make_node("MatMul", ["h", "w"], ["k"]),
        helper.make_node("MatMul", ["k", "ww"], ["y"]),
    ]
    made = model(nodes, {"x": ["N", 4]}, {"w": [4, 4]})
    assert count_model(made, source(x=(BATCH, 4))) == tally(3 * 2 * 16, 2 * 16, 3 * 8)


def test_a_fixed_batch_counts_for_its_items() -> None:
    made = model([helper.make_node("MatMul", ["x", "w"], ["y"])], {"x": [4, 8]}, {"w": [8, 2]})
    four = msgspec.structs.replace(source(x=(4, 8)), fixed_batch=4)
    assert count_model(made, four) == tally(2 * 8 * 2, 16, 8 + 2)
    assert count_model(made, source(x=(4, 8))).flops_per_item == 4 * 2 * 8 * 2, "where nobody says that it is the batch"


def test_open_dimensions_are_what_the_study_settled() -> None:
    nodes = [helper.make_node("Transpose", ["x"], ["t"], perm=[0, 2, 1]), helper.make_node("MatMul", ["x", "t"], ["y"])]
    made = model(nodes, {"x": ["N", "L", 8]}, {})
    assert count_model(made, source(x=(BATCH, 6, 8))).flops_per_item == 2 * 6 * 6 * 8


def test_quantised_products_are_of_int8() -> None:
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s"], ["d"]),
        helper.make_node("DequantizeLinear", ["w8", "s"], ["w"]),
        helper.make_node("MatMul", ["d", "w"], ["y"]),
    ]
    made = model(nodes, {"x": ["N", 4]}, {"s": []})
    made.graph.initializer.append(numpy_helper.from_array(np.zeros((4, 2), np.uint8), "w8"))
    assert count_model(made, source(x=(BATCH, 4))) == tally(2 * 4 * 2, 8, 4 + 2, "int8")


def test_the_types_of_a_file_are_told() -> None:
    made = model([helper.make_node("MatMul", ["x", "w"], ["y"])], {"x": ["N", 4]}, {"w": [4, 4]}, np.float16)
    assert count_model(made, source(x=(BATCH, 4))).dtypes == {"float16"}


@pytest.mark.parametrize(
    ("nodes", "reason"),
    [
        (
            [helper.make_node("Secret", ["x"], ["h"], domain="own"), helper.make_node("MatMul", ["h", "w"], ["y"])],
            "what these operators do is not known: Secret",
        ),
        (
            [helper.make_node("Einsum", ["x", "w"], ["y"], equation="ij,jk->ik")],
            "what these operators do is not known: Einsum",
        ),
        (
            [
                helper.make_node("NonZero", ["x"], ["i"]),
                helper.make_node("Cast", ["i"], ["f"], to=FLOAT),
                helper.make_node("MatMul", ["w", "f"], ["y"]),
            ],
            "the shape of 'f' depends on more than the inputs' shapes",
        ),
    ],
)
def test_half_a_count_is_none(nodes: list[Any], reason: str) -> None:
    with pytest.raises(UncountableError) as caught:
        count_model(model(nodes, {"x": ["N", 4]}, {"w": [2, 2]}), source(x=(BATCH, 4)))
    assert str(caught.value) == reason


def test_resnet50_as_a_file_does_what_it_does_in_pytorch() -> None:
    # The onnx package's own; of before IR version 4, so that weights are inputs too.
    path = Path(onnx.__file__).parent / "backend/test/data/light/light_resnet50.onnx"
    inputs, _ = read_signature(path)
    found = count_file(ModelSource(name="m", path=str(path), inputs=inputs))
    assert found == count_module(find_model("resnet50").source())
    assert found.flops_per_item == 8_178_368_512


def test_functions_are_looked_into(tmp_path: Path) -> None:
    body = [helper.make_node("MatMul", ["a", "b"], ["c"])]
    function = helper.make_function("own", "Layer", ["a", "b"], ["c"], body, [helper.make_opsetid("", 17)])
    made = model([helper.make_node("Layer", ["x", "w"], ["y"], domain="own")], {"x": ["N", 4]}, {"w": [4, 2]})
    made.functions.append(function)
    path = tmp_path / "m.onnx"
    onnx.save(made, str(path))
    where = ModelSource(name="m", path=str(path), inputs=(TensorSpec("x", (BATCH, 4)),))
    assert count_file(where) == tally(2 * 4 * 2, 8, 4 + 2)

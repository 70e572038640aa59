from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper, shape_inference

from ortbench.engines.flops import node_flops

SIZES = st.integers(1, 5)


def graph_of(operator: str, shapes: list[list[Any]], output: list[Any] | None, **attributes: Any) -> Any:
    """Return a graph of one node, every operand an input, its shapes inferred where ONNX knows the operator."""
    names = [f"i{number}" for number in range(len(shapes))]
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in zip(names, shapes, strict=True)
    ]
    domain = "" if onnx.defs.has(operator) else "com.microsoft"
    node = helper.make_node(operator, names, ["y"], domain=domain, **attributes)
    graph = helper.make_graph([node], "g", inputs, [helper.make_tensor_value_info("y", TensorProto.FLOAT, output)])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    return shape_inference.infer_shapes(helper.make_model(graph, opset_imports=opsets)).graph


@given(SIZES, SIZES, SIZES)
def test_a_matrix_product_is_two_operations_an_element_and_inner_size(m: int, n: int, k: int) -> None:
    expected = {"y": 2 * m * n * k}
    assert node_flops(graph_of("MatMul", [[m, k], [k, n]], None)) == expected
    assert node_flops(graph_of("Gemm", [[m, k], [k, n]], None)) == expected
    assert node_flops(graph_of("Gemm", [[k, m], [n, k]], None, transA=1, transB=1)) == expected
    assert node_flops(graph_of("FusedMatMul", [[k, m], [k, n]], [m, n], transA=1)) == expected
    assert node_flops(graph_of("FusedGemm", [[m, k], [k, n]], [m, n], activation="Relu")) == expected


@given(SIZES, SIZES, SIZES, SIZES)
def test_a_stack_of_products_counts_each(b: int, m: int, n: int, k: int) -> None:
    assert node_flops(graph_of("MatMul", [[b, m, k], [b, k, n]], None)) == {"y": 2 * b * m * n * k}


def test_a_convolution_counts_its_group_and_kernel() -> None:
    full = graph_of("Conv", [[1, 8, 10, 10], [4, 8, 3, 3]], None, kernel_shape=[3, 3])
    assert node_flops(full) == {"y": 2 * 4 * 8 * 8 * 8 * 9}
    depthwise = graph_of("Conv", [[1, 8, 10, 10], [8, 1, 3, 3]], None, kernel_shape=[3, 3], group=8)
    assert node_flops(depthwise) == {"y": 2 * 8 * 8 * 8 * 9}
    fused = graph_of("FusedConv", [[1, 8, 10, 10], [4, 8, 3, 3]], [1, 4, 8, 8], activation="Relu")
    assert node_flops(fused) == {"y": 2 * 4 * 8 * 8 * 8 * 9}
    spread = graph_of("ConvTranspose", [[1, 8, 5, 5], [8, 4, 2, 2]], None)
    assert node_flops(spread) == {"y": 2 * 8 * 5 * 5 * 4 * 4}


def test_a_quantised_convolutions_weights_are_its_fourth_operand() -> None:
    operands = [[1, 8, 10, 10], [], [], [4, 8, 3, 3], [], [], [], []]
    assert node_flops(graph_of("QLinearConv", operands, [1, 4, 8, 8])) == {"y": 2 * 4 * 8 * 8 * 8 * 9}


def test_other_operators_count_nothing() -> None:
    assert node_flops(graph_of("Relu", [[3, 3]], None)) == {}


def test_an_open_shape_is_not_guessed() -> None:
    assert node_flops(graph_of("MatMul", [["N", 3], [3, 4]], None)) is None


def test_weights_need_no_shape_of_their_own() -> None:
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 4])],
        [numpy_helper.from_array(np.zeros((8, 4), np.float32), "w")],
    )
    assert node_flops(graph) == {"y": 128}


@pytest.mark.parametrize("groups", [1, 2])
def test_pytorch_counts_the_same(groups: int) -> None:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        torch.nn.functional.conv2d(torch.zeros(2, 8, 9, 9), torch.zeros(4, 8 // groups, 3, 3), stride=2, groups=groups)
    graph = graph_of("Conv", [[2, 8, 9, 9], [4, 8 // groups, 3, 3]], None, strides=[2, 2], group=groups)
    assert node_flops(graph) == {"y": counter.get_total_flops()}

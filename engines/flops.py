"""Floating-point operations of an ONNX graph, node by node, from its shapes. Pure functions; no weight is read.

Counted are convolutions and matrix products in every form that ONNX Runtime gives them; a multiply-add counts two,
biases and element-wise operators nothing, as in PyTorch's `FlopCounterMode`, so that the two agree.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Product:
    """One convolution or matrix product.

    Attributes:
        operands: the two tensors that are multiplied.
        elements: how many numbers these and the output have.
    """

    output: str
    operands: tuple[str, str]
    flops: int
    elements: tuple[int, int, int]


class UnknownShapeError(Exception):
    """A shape that is needed is not known; the argument is the tensor's name."""


def node_flops(graph: Any) -> dict[str, int] | None:
    """Return the operations of each node that has any, by the name of its first output.

    Args:
        graph: an `onnx.GraphProto` whose `value_info` gives every shape as numbers.

    Returns:
        None where a shape that is needed is not known.
    """
    try:
        return {product.output: product.flops for product in products(graph)}
    except UnknownShapeError:
        return None


def products(graph: Any) -> list[Product]:
    """Return every convolution and matrix product of a graph; see `node_flops`.

    Raises:
        UnknownShapeError: one of their shapes is not known.
    """
    shapes = _shapes(graph)

    def shape_of(name: str) -> Shape:
        if name not in shapes:
            raise UnknownShapeError(name)
        return shapes[name]

    found = []
    for node in graph.node:
        count = _COUNTERS.get(node.op_type)
        if count is None:
            continue
        # Scales and zero points stand between the operands of quantised forms.
        places = (0, 3) if node.op_type in _SCALED else (0, 1)
        if len(node.input) <= places[1]:
            raise UnknownShapeError(node.output[0])
        first, second = (node.input[place] for place in places)
        one, other, output = shape_of(first), shape_of(second), shape_of(node.output[0])
        elements = (math.prod(one), math.prod(other), math.prod(output))
        found.append(Product(node.output[0], (first, second), count(node, one, other, output), elements))
    return found


def _shapes(graph: Any) -> dict[str, Shape]:
    shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        kind = value.type.tensor_type
        if kind.HasField("shape") and all(size.HasField("dim_value") for size in kind.shape.dim):
            shapes.setdefault(value.name, tuple(size.dim_value for size in kind.shape.dim))
    return shapes


def _convolution(node: Any, data: Shape, weights: Shape, output: Shape) -> int:  # noqa: ARG001 - the counters' form
    """Every output element is a sum over one filter: weights are (filters, channels of its group, height, width)."""
    return 2 * math.prod(output) * math.prod(weights[1:])


def _transposed_convolution(node: Any, data: Shape, weights: Shape, output: Shape) -> int:  # noqa: ARG001 - likewise
    """Every input element is spread by one filter: weights are (channels, filters of its group, height, width)."""
    return 2 * math.prod(data) * math.prod(weights[1:])


def _gemm(node: Any, first: Shape, second: Shape, output: Shape) -> int:  # noqa: ARG001 - likewise
    return 2 * math.prod(output) * (first[0] if _flag(node, "transA") else first[-1])


def _product(node: Any, first: Shape, second: Shape, output: Shape) -> int:  # noqa: ARG001 - likewise
    """The last axis of the first operand is summed over, or the one before it where it is transposed."""
    inner = first[-2] if _flag(node, "transA") and len(first) > 1 else first[-1]
    return 2 * math.prod(output) * inner


def _flag(node: Any, name: str) -> bool:
    return any(attribute.name == name and attribute.i for attribute in node.attribute)


_Counter = Callable[[Any, Shape, Shape, Shape], int]
_SCALED = frozenset({"QLinearConv", "QLinearMatMul", "QGemm"})
_COUNTERS: dict[str, _Counter] = {
    **dict.fromkeys(("Conv", "FusedConv", "NhwcFusedConv", "ConvInteger", "QLinearConv"), _convolution),
    "ConvTranspose": _transposed_convolution,
    **dict.fromkeys(("Gemm", "FusedGemm", "QGemm"), _gemm),
    **dict.fromkeys(("MatMul", "FusedMatMul", "MatMulInteger", "QLinearMatMul"), _product),
}
COUNTED_OPERATORS: Sequence[str] = tuple(_COUNTERS)

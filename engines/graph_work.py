"""What an .onnx file's graph must do for one item: operations, and numbers that its products read and write.

Shapes are ONNX's own inference with every input's shape settled. Whatever may hide products that were not counted
(operators of other domains, recurrent ones, subgraphs) makes the whole unknown: half a count is none.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ortbench.engines.flops import COUNTED_OPERATORS, UnknownShapeError, products
from ortbench.models.spec import BATCH, ModelSource, has_batch
from ortbench.models.work import Tally, UncountableError

_STANDARD = ("", "ai.onnx")
# Of the standard operators those that multiply matrices inside, or run graphs of their own.
_HIDING = frozenset(
    "LSTM GRU RNN Einsum Attention DeformConv DFT STFT If Loop Scan SequenceMap".split()  # noqa: SIM905 - a list of words
)
# ONNX Runtime's own forms of what counts nothing.
_HARMLESS = frozenset(
    "BiasGelu DequantizeLinear FastGelu Gelu QLinearAdd QLinearAveragePool QLinearConcat "  # noqa: SIM905 - likewise
    "QLinearGlobalAveragePool QLinearLeakyRelu QLinearMul QLinearSigmoid QuantizeLinear QuickGelu "
    "SimplifiedLayerNormalization SkipLayerNormalization SkipSimplifiedLayerNormalization".split()
)
_SHOWN = 3


def count_file(source: ModelSource) -> Tally:
    """Return what the model of a user's .onnx file does for one item.

    Raises:
        UncountableError: a shape or an operator is not known; the message says which.
    """
    import onnx

    assert source.path is not None
    model = onnx.load(str(Path(source.path)), load_external_data=False)
    if model.functions:
        from onnx import inliner

        model = inliner.inline_local_functions(model)
    return count_model(model, source)


def count_model(model: Any, source: ModelSource) -> Tally:
    """Return what a model's graph does for one item; see `count_file`.

    Args:
        model: an `onnx.ModelProto` without functions; its shapes are filled in.
        source: says what every open dimension of the inputs is.
    """
    from onnx import shape_inference

    _refuse_unknown(model.graph)
    _settle(model.graph, source)
    try:
        graph = shape_inference.infer_shapes(model, data_prop=True).graph
        found = products(graph)
    except shape_inference.InferenceError as error:
        raise UncountableError(f"its shapes cannot be inferred ({str(error).splitlines()[0]})") from error
    except UnknownShapeError as error:
        raise UncountableError(f"the shape of '{error}' depends on more than the inputs' shapes") from error
    varying = _depending_on_inputs(graph)
    counted = [product for product in found if product.output in varying]
    items = _items(source)
    # A weight that several products share is read once; whatever is computed on the way is read wherever it is used.
    weights: dict[str, int] = {}
    activations = 0
    for product in counted:
        activations += product.elements[2]
        for name, elements in zip(product.operands, product.elements, strict=False):
            if name in varying:
                activations += elements
            else:
                weights[name] = elements
    return Tally(
        flops_per_item=round(sum(product.flops for product in counted) / items),
        weights=sum(weights.values()),
        activations_per_item=round(activations / items),
        dtypes=frozenset(_types(graph, {name for product in counted for name in product.operands})),
    )


def _refuse_unknown(graph: Any) -> None:
    unknown = dict.fromkeys(node.op_type for node in graph.node if not _is_known(node))
    if unknown:
        more = f" and {len(unknown) - _SHOWN} more" if len(unknown) > _SHOWN else ""
        raise UncountableError(f"what these operators do is not known: {', '.join(list(unknown)[:_SHOWN])}{more}")


def _is_known(node: Any) -> bool:
    if node.domain in _STANDARD:
        return node.op_type not in _HIDING
    return node.op_type in _HARMLESS or node.op_type in COUNTED_OPERATORS


def _settle(graph: Any, source: ModelSource) -> None:
    """Write into the graph what each open dimension is for one item."""
    settled = {spec.name: spec.shape for spec in source.inputs}
    symbols: dict[str, int] = {}
    # Files before IR version 4 list their weights as inputs too.
    for value in (each for each in graph.input if each.name in settled):
        shape = value.type.tensor_type.shape
        known = [1 if size == BATCH else size for size in settled[value.name]]
        if len(shape.dim) != len(known):  # the file tells not even how many there are
            del shape.dim[:]
            shape.dim.extend(type(shape).Dimension() for _ in known)
        for dimension, size in zip(shape.dim, known, strict=True):
            if dimension.dim_param and isinstance(size, int):
                symbols[dimension.dim_param] = size
            if isinstance(size, int):
                dimension.dim_value = size
    for value in (*graph.value_info, *graph.output):
        for dimension in value.type.tensor_type.shape.dim:
            if dimension.dim_param in symbols:
                dimension.dim_value = symbols[dimension.dim_param]


def _items(source: ModelSource) -> int:
    """Return how many items the settled inputs hold: one, or as many as the file fixes."""
    return 1 if has_batch(source) else source.fixed_batch


def _depending_on_inputs(graph: Any) -> set[str]:
    """Return every tensor that is not the same in every call; the order of nodes is topological by specification."""
    constant = {tensor.name for tensor in graph.initializer}
    varying = {value.name for value in graph.input} - constant
    for node in graph.node:
        if varying.intersection(node.input):
            varying.update(node.output)
    return varying


def _types(graph: Any, names: set[str]) -> Iterator[str]:
    """Yield the types of tensors, by numpy's names; what comes out of DequantizeLinear counts as what went in."""
    from onnx import helper

    types = {tensor.name: tensor.data_type for tensor in graph.initializer}
    types |= {value.name: value.type.tensor_type.elem_type for value in (*graph.input, *graph.value_info)}
    quantized = {node.output[0] for node in graph.node if node.op_type == "DequantizeLinear"}
    for name in names:
        known = types.get(name)
        yield "int8" if name in quantized else helper.tensor_dtype_to_np_dtype(known).name if known else "unknown"

"""Read from an .onnx file what decides how its outputs can be compared: quantised, random, chosen, or no tensors."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ortbench.models.file_facts import Choice, FileFacts, Made

if TYPE_CHECKING:
    from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto

# Of ONNX, and of com.microsoft (its ContribOperators.md).
_INTEGER_OPERATOR = re.compile(
    r"(Dynamic)?QuantizeLinear|DequantizeLinear|\w*Integer(ToFloat)?|DynamicQuantize\w+|QLinear\w+|QOrdered\w+|QMoE"
    r"|Q(Gemm|Attention|EmbedLayerNormalization)|DequantizeBFP|QuantizeBFP"
)
# Weights in blocks, of as many bits as the attribute says.
_BLOCKS = {"MatMulNBits": "bits", "GatherBlockQuantized": "bits", "QMoE": "expert_weight_bits"}
_FOUR_BITS = frozenset({"MatMulBnb4", "MatMulFpQ4"})
_RANDOM = frozenset(
    {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli"}
)
_CHOOSING = {"ArgMax": 0, "ArgMin": 0, "TopK": 1}
# Numbers keep their order in memory.
_SHAPE_ONLY = frozenset({"Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze"})
# The first input decides which numbers there are; each stays what it is.
_SELECTING = _SHAPE_ONLY | {"Transpose", "Slice", "Gather", "GatherND", "GatherElements", "Expand", "Tile", "Concat"}
_DECIDING = frozenset(
    {"Greater", "GreaterOrEqual", "Less", "LessOrEqual", "NonMaxSuppression", "NonZero", "Where", "And", "Or", "Not"}
    | {"ArgMax", "ArgMin", "TopK", "Hardmax", "Sign", "IsNaN", "IsInf"}
)
_DEFAULT_AXIS = {"ArgMax": 0, "ArgMin": 0, "TopK": -1}
_KINDS = {"sequence_type": "a sequence", "map_type": "a map", "optional_type": "an optional value",
          "sparse_tensor_type": "a sparse tensor", "opaque_type": "of a type of its own"}  # fmt: skip
_FLOATS = frozenset({1, 10, 11, 16})
_INTEGERS = frozenset({2, 3, 4, 5, 6, 7, 9, 12, 13, 21, 22})  # onnx.TensorProto's numbers; 9 are booleans


def read_facts(path: Path) -> FileFacts:
    """Return the facts of a file that was found to be a model; its weights outside the file are not read."""
    import onnx

    return facts_of(onnx.load_model(str(path), format="protobuf", load_external_data=False))


def facts_of(model: ModelProto) -> FileFacts:
    """Return the facts of a model."""
    producers = {name: node for node in model.graph.node for name in node.output}
    outputs = [value for value in model.graph.output if value.type.WhichOneof("value") == "tensor_type"]
    whole = [value.name for value in outputs if value.type.tensor_type.elem_type in _INTEGERS]
    choices = [choice for name in whole if (choice := _choice(name, producers))]
    chosen = {choice.output for choice in choices}
    origins = {name: producers.get(_last_name(name, producers, _SELECTING)) for name in whole if name not in chosen}
    decided = [name for name, node in origins.items() if node is not None and _decides(node, model)]
    kinds = ((value.name, value.type.WhichOneof("value") or "") for value in model.graph.output)
    return FileFacts(
        made=_made(model),
        random=tuple(_random_nodes(model)),
        choices=tuple(choices),
        decided=tuple(decided),
        left_out=tuple(f"'{name}' ({_KINDS[kind]})" for name, kind in kinds if kind in _KINDS),
    )


def _made(model: ModelProto) -> Made:
    nodes = list(_nodes(model))
    named = [(_BLOCKS.get(node.op_type), attribute) for node in nodes for attribute in node.attribute]
    bits = [attribute.i for name, attribute in named if attribute.name == name]
    tensors = {tensor.data_type for tensor in _tensors(model, nodes)}
    quantised = any(_INTEGER_OPERATOR.fullmatch(node.op_type) for node in nodes)
    if any(count < 8 for count in bits) or any(node.op_type in _FOUR_BITS for node in nodes):
        return "int4"
    if quantised and tensors & {21, 22}:  # UINT4, INT4
        return "int4"
    if quantised or any(node.op_type in _BLOCKS for node in nodes):
        return "int8"
    values = (*model.graph.input, *model.graph.output, *model.graph.value_info)
    types = tensors | {value.type.tensor_type.elem_type for value in values} | set(_cast_types(nodes))
    return "bf16" if 16 in types else "fp16" if 10 in types else ""


def _cast_types(nodes: Iterable[NodeProto]) -> Iterator[int]:
    for node in nodes:
        if node.op_type == "Cast":
            yield from (attribute.i for attribute in node.attribute if attribute.name == "to")


def _random_nodes(model: ModelProto) -> Iterator[str]:
    for node in _nodes(model):
        # Before version 12 of the operators an attribute said so, and inference never set it.
        training = node.op_type == "Dropout" and len(node.input) > 2 and node.input[2]
        if node.op_type in _RANDOM or (training and not _is_false(node.input[2], model)):
            yield f"{node.op_type} '{node.name or next(iter(node.output), '')}'"


def _is_false(name: str, model: ModelProto) -> bool:
    """Say whether a constant is false, as exporters write the training mode of a Dropout at rest."""
    from onnx import numpy_helper

    constants = [tensor for tensor in model.graph.initializer if tensor.name == name]
    for node in _nodes(model):
        if node.op_type == "Constant" and name in node.output:
            constants += [attribute.t for attribute in node.attribute if attribute.name == "value"]
    return bool(constants) and not numpy_helper.to_array(constants[0]).any()


def _decides(node: NodeProto, model: ModelProto) -> bool:
    """Say whether a node makes integers or booleans of numbers that rounding may have moved across a limit."""
    if node.op_type in _DECIDING:
        return True
    return node.op_type in ("Cast", "CastLike") and _is_float(node.input[0], model)


def _is_float(name: str, model: ModelProto) -> bool:
    """Say whether a tensor is of floating-point numbers, as far as ONNX's own inference can tell."""
    import onnx.shape_inference

    try:
        graph = onnx.shape_inference.infer_shapes(model).graph
    except Exception:  # noqa: BLE001 - it raises whatever its C++ does, and too large a model is one thing of many
        return False
    known = (*graph.value_info, *graph.input)
    return any(value.name == name and value.type.tensor_type.elem_type in _FLOATS for value in known)


def _choice(output: str, producers: Mapping[str, NodeProto]) -> Choice | None:
    """Return what an output of chosen positions was chosen among, where nothing but its shape changed since."""
    last = _last_name(output, producers, _SHAPE_ONLY | {"Cast"})
    node = producers.get(last)
    if node is None or node.op_type not in _CHOOSING or list(node.output).index(last) != _CHOOSING[node.op_type]:
        return None
    axis = next((attribute.i for attribute in node.attribute if attribute.name == "axis"), _DEFAULT_AXIS[node.op_type])
    return Choice(output=output, deciding=node.input[0], axis=axis)


def _last_name(output: str, producers: Mapping[str, NodeProto], passed: frozenset[str]) -> str:
    """Return the tensor that an output's numbers come from, behind the nodes of these kinds."""
    node = producers.get(output)
    while node is not None and node.op_type in passed and node.input:
        output = node.input[0]
        node = producers.get(output)
    return output


def _nodes(model: ModelProto) -> Iterator[NodeProto]:
    """Yield all nodes, those of functions and subgraphs included."""
    for nodes in (model.graph.node, *(function.node for function in model.functions)):
        for node in nodes:
            yield from _with_subgraphs(node)


def _with_subgraphs(node: NodeProto) -> Iterator[NodeProto]:
    yield node
    for graph in _subgraphs(node.attribute):
        for inner in graph.node:
            yield from _with_subgraphs(inner)


def _subgraphs(attributes: Iterable[AttributeProto]) -> Iterator[GraphProto]:
    for attribute in attributes:
        yield from (attribute.g, *attribute.graphs)


def _tensors(model: ModelProto, nodes: Iterable[NodeProto]) -> Iterator[TensorProto]:
    yield from model.graph.initializer
    for node in nodes:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
        for graph in _subgraphs(node.attribute):
            yield from graph.initializer

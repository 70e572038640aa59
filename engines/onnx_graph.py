"""ONNX graphs taken apart: their nodes, the part up to one tensor, more tensors as outputs, a planted fault."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, TensorProto


@dataclass(frozen=True)
class GraphNode:
    """One node, without its computation.

    Attributes:
        inputs: tensors that it reads, those read inside its subgraphs included.
    """

    name: str
    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def load_graph(path: Path) -> ModelProto:
    """Read a model with its weights; where those lie was checked when its signature was read.

    onnx itself follows no links, of which the caches of model hubs are made.
    """
    import onnx

    model = onnx.load_model(str(path), format="protobuf", load_external_data=False)
    for tensor in _tensors(model):
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            _take_in(tensor, path.parent)
    return model


def graph_nodes(model: ModelProto) -> tuple[GraphNode, ...]:
    """Return the nodes of the main graph in their order, which is topological by ONNX's specification."""
    return tuple(
        GraphNode(node.name, node.op_type, tuple(_reads(node)), tuple(name for name in node.output if name))
        for node in model.graph.node
    )


def ancestors(nodes: Sequence[GraphNode], tensor: str) -> list[GraphNode]:
    """Return the nodes that `tensor` depends on, its own included, in their order."""
    needed, found = {tensor}, []
    for node in reversed(nodes):
        if needed.intersection(node.outputs):
            found.append(node)
            needed.update(node.inputs)
    return found[::-1]


def truncated(model: ModelProto, tensor: str) -> ModelProto:
    """Return the model up to one tensor, which is its only output; every input stays."""
    kept = {name for node in ancestors(graph_nodes(model), tensor) for name in node.outputs}
    cut = _copy(model, [node for node in model.graph.node if kept.intersection(node.output)])
    cut.graph.output.append(_declared(model, tensor))
    return cut


def showing(model: ModelProto, tensors: Sequence[str]) -> ModelProto:
    """Return the model with these tensors as its outputs, and no other."""
    shown = _copy(model, list(model.graph.node))
    shown.graph.output.extend(_declared(model, tensor) for tensor in tensors)
    return shown


def with_fault(model: ModelProto, tensor: str) -> ModelProto:
    """Return the model with 1 added to one tensor of floats wherever it is read; unchanged where it has none such."""
    from onnx import helper, numpy_helper

    if not any(tensor in node.output for node in model.graph.node):
        return model
    import numpy as np

    nodes: list[NodeProto] = []
    for node in model.graph.node:
        nodes.append(node)
        if tensor in node.output:
            right = f"{tensor}/right"
            node.output[list(node.output).index(tensor)] = right
            nodes.append(helper.make_node("Add", [right, "fault/one"], [tensor], name="fault"))
    faulty = _copy(model, nodes)
    faulty.graph.output.extend(model.graph.output)
    faulty.graph.initializer.append(numpy_helper.from_array(np.ones((), np.float32), "fault/one"))
    return faulty


def _copy(model: ModelProto, nodes: Sequence[NodeProto]) -> ModelProto:
    """Return the model with other nodes, without outputs and without the weights that no node reads."""
    from onnx import ModelProto

    graph, read = model.graph, {name for node in nodes for name in _reads(node)}
    copied = ModelProto()
    copied.ir_version = model.ir_version
    copied.opset_import.extend(model.opset_import)
    copied.functions.extend(model.functions)
    copied.graph.name = graph.name or "graph"
    copied.graph.node.extend(nodes)
    copied.graph.initializer.extend(tensor for tensor in graph.initializer if tensor.name in read)
    copied.graph.sparse_initializer.extend(tensor for tensor in graph.sparse_initializer if tensor.values.name in read)
    weights = {tensor.name for tensor in graph.initializer} | {t.values.name for t in graph.sparse_initializer}
    # What files before IR version 4 list as inputs and also bring along is no input.
    copied.graph.input.extend(value for value in graph.input if value.name not in weights - read)
    return copied


def _declared(model: ModelProto, tensor: str) -> object:
    """Return the tensor's declaration where the file has one; else its name, and the runtime infers the rest."""
    from onnx import ValueInfoProto

    known = (*model.graph.output, *model.graph.value_info)
    return next((value for value in known if value.name == tensor), None) or ValueInfoProto(name=tensor)


def _tensors(model: ModelProto) -> Iterator[TensorProto]:
    """Yield every tensor that may lie outside the file."""
    yield from _graph_tensors(model.graph)
    for function in model.functions:
        yield from _node_tensors(function.node)


def _graph_tensors(graph: GraphProto) -> Iterator[TensorProto]:
    yield from graph.initializer
    yield from (part for sparse in graph.sparse_initializer for part in (sparse.values, sparse.indices))
    yield from _node_tensors(graph.node)


def _node_tensors(nodes: Iterable[NodeProto]) -> Iterator[TensorProto]:
    for attribute in (attribute for node in nodes for attribute in node.attribute):
        yield from (attribute.t, *attribute.tensors)
        for graph in (attribute.g, *attribute.graphs):
            yield from _graph_tensors(graph)


def _take_in(tensor: TensorProto, folder: Path) -> None:
    """Read a tensor's numbers from the file that it names, and keep them in it."""
    from onnx import TensorProto

    entries = {entry.key: entry.value for entry in tensor.external_data}
    with (folder / entries["location"]).open("rb") as file:
        file.seek(int(entries.get("offset") or 0))
        tensor.raw_data = file.read(int(entries["length"])) if entries.get("length") else file.read()
    tensor.data_location = TensorProto.DEFAULT
    del tensor.external_data[:]


def _reads(node: NodeProto) -> Iterator[str]:
    yield from (name for name in node.input if name)
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            yield from _free_names(graph)


def _free_names(graph: GraphProto) -> Iterator[str]:
    """Yield what a subgraph takes from the graphs around it."""
    own = {value.name for value in graph.input} | {tensor.name for tensor in graph.initializer}
    own |= {name for node in graph.node for name in node.output}
    yield from (name for node in graph.node for name in _reads(node) if name not in own)
    yield from (value.name for value in graph.output if value.name not in own)

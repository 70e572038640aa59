"""Weights that an ONNX model keeps in other files: found wherever a tensor may stand, and in its own folder only."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ortbench.errors import ModelError

if TYPE_CHECKING:
    from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, SparseTensorProto, TensorProto

# Offsets and lengths are 64-bit integers in every implementation.
_MOST_DIGITS = 19
_SHOWN = 200


def check_external_data(model: ModelProto, path: Path) -> None:
    """Refuse a model whose weights lie outside its own folder: a model must not make us read anything else.

    The cache of a model hub has links to files that lie side by side elsewhere: the folder of what the model itself is
    a link to is its own folder, too, as in ONNX Runtime.

    Raises:
        ModelError: a location is outside, missing, too short, or no name of a file at all.
    """
    folders = Path(os.path.realpath(path.parent)), Path(os.path.realpath(path)).parent
    for location, needed in external_locations(model, path):
        where = f"The model '{path}' keeps weights in '{location[:_SHOWN]}'"
        size = _size(location, *folders)
        if size is None:
            raise ModelError(f"{where}, outside its own folder.")
        if size < 0:
            raise ModelError(f"{where}, which is missing beside it.")
        if size < needed:
            raise ModelError(f"{where}, which is truncated: {needed} bytes are needed, and it has {size}.")


def external_locations(model: ModelProto, path: Path) -> Iterator[tuple[str, int]]:
    """Yield (location, bytes that must be there) of every tensor stored outside the file.

    Raises:
        ModelError: an offset or a length is no number that fits.
    """
    from onnx import TensorProto

    for tensor in model_tensors(model):
        if tensor.data_location == TensorProto.EXTERNAL:
            entries = {as_text(entry.key): as_text(entry.value) for entry in tensor.external_data}
            numbers = [_number(entries.get(key, "0"), key, path) for key in ("offset", "length")]
            yield entries.get("location", ""), sum(numbers)


def model_tensors(model: ModelProto) -> Iterator[TensorProto]:
    """Yield every tensor of a model: of its graphs, subgraphs, functions, attributes, sparse ones, training graphs."""
    yield from _of_graph(model.graph)
    for training in model.training_info:
        yield from _of_graph(training.initialization)
        yield from _of_graph(training.algorithm)
    for function in model.functions:
        yield from _of_nodes(function.node)
        yield from _of_attributes(function.attribute_proto)


def as_text(value: str | bytes) -> str:
    """Return a string of a model; protobuf gives bytes where it is no text.

    Raises:
        UnicodeDecodeError: it is not UTF-8.
    """
    return value.decode("utf-8") if isinstance(value, bytes) else value


def _of_graph(graph: GraphProto) -> Iterator[TensorProto]:
    yield from graph.initializer
    yield from _of_sparse(graph.sparse_initializer)
    yield from _of_nodes(graph.node)


def _of_nodes(nodes: Iterable[NodeProto]) -> Iterator[TensorProto]:
    for node in nodes:
        yield from _of_attributes(node.attribute)


def _of_attributes(attributes: Iterable[AttributeProto]) -> Iterator[TensorProto]:
    for attribute in attributes:
        if attribute.HasField("t"):
            yield attribute.t
        yield from attribute.tensors
        if attribute.HasField("sparse_tensor"):
            yield from _of_sparse([attribute.sparse_tensor])
        yield from _of_sparse(attribute.sparse_tensors)
        for subgraph in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
            yield from _of_graph(subgraph)


def _of_sparse(tensors: Iterable[SparseTensorProto]) -> Iterator[TensorProto]:
    for tensor in tensors:
        yield tensor.values
        yield tensor.indices


def _number(text: str, key: str, path: Path) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS):
        raise ModelError(
            f"The model '{path}' keeps weights outside the file, and their {key} is no number that a file could have: "
            f"'{text[:_SHOWN]}'."
        )
    return int(text)


def _size(location: str, root: Path, target: Path) -> int | None:
    """Return a file's size in bytes, -1 where there is no such file, None where the place is outside both folders."""
    try:
        file = Path(os.path.realpath(root / location))
        if Path(location).is_absolute() or not (file.is_relative_to(root) or file.is_relative_to(target)):
            return None
        return file.stat().st_size if file.is_file() else -1
    except (OSError, ValueError):  # a loop of links, a NUL, a name that is too long
        return -1

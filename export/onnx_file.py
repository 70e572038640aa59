"""Read an .onnx file: is it one, is it whole, and what are its inputs and outputs?"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ortbench.errors import ModelError
from ortbench.models.files import file_sha256
from ortbench.models.spec import BATCH, UNKNOWN_RANK, TensorSpec

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, TensorProto, ValueInfoProto


def read_signature(path: Path) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    """Return the inputs and outputs of a model file, without its weights.

    An input's first dimension is the batch where the file leaves it open, and so is every dimension of the
    same symbol; other open dimensions keep their symbol, nameless ones get `?NAME_AXIS`. Initializers listed
    as inputs, as files before IR version 4 have them, are no inputs.

    Raises:
        ModelError: the file is missing, empty, truncated, no ONNX model, or its external data is missing,
            too short or outside its own folder.
    """
    model = _load(path)
    _check_external_data(model, path)
    _check_structure(model, path)
    initializers = {tensor.name for tensor in model.graph.initializer}
    initializers |= {tensor.values.name for tensor in model.graph.sparse_initializer}
    real_inputs = [value for value in model.graph.input if value.name not in initializers]
    batch_symbols = {_batch_symbol(value) for value in real_inputs} - {None, ""}
    inputs = tuple(_tensor_spec(value, batch_symbols, path) for value in real_inputs)
    outputs = tuple(_tensor_spec(value, batch_symbols, path) for value in model.graph.output)
    if not inputs:
        raise ModelError(f"The model '{path}' has no inputs, so there is nothing to vary; expected at least one.")
    return inputs, outputs


def fixed_batch_size(inputs: tuple[TensorSpec, ...]) -> int | None:
    """Return the batch size that the model fixes, or None where any batch size can be given."""
    if any(BATCH in spec.shape for spec in inputs):
        return None
    first = next((spec.shape[0] for spec in inputs if spec.shape), 1)
    return first if isinstance(first, int) else None


def model_sha256(path: Path) -> str:
    """Return the SHA-256 of a model: of its file, or of all its files' digests where weights lie beside it."""
    locations = sorted({location for location, _ in _external_locations(_load(path))})
    digest = file_sha256(path)
    if not locations:
        return digest
    digests = [digest, *(file_sha256(path.parent / location) for location in locations)]
    return hashlib.sha256("".join(digests).encode("ascii")).hexdigest()


def default_opset(path: Path) -> int | None:
    """Return the version of the standard operator set that a model file uses."""
    return next((entry.version for entry in _load(path).opset_import if entry.domain in ("", "ai.onnx")), None)


def _load(path: Path) -> ModelProto:
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # comes with onnx, untyped

    if not path.exists():
        raise ModelError(f"The model '{path}' does not exist; `ortbench models` lists those that need no file.")
    if path.is_dir():
        raise ModelError(f"The model '{path}' is a folder; expected an .onnx file.")
    if path.stat().st_size == 0:
        raise ModelError(f"The model '{path}' is empty.")
    try:
        return onnx.load_model(str(path), format="protobuf", load_external_data=False)
    except DecodeError as error:
        raise ModelError(f"The model '{path}' is truncated or not an ONNX file.") from error
    except OSError as error:
        raise ModelError(f"The model '{path}' cannot be read: {error.strerror}.") from error


def _check_structure(model: ModelProto, path: Path) -> None:
    """Refuse what parses but is no whole model: files are written in the order of these fields, graph before opset.

    Whether the graph itself is sound is for ONNX Runtime to say, which runs files that the ONNX checker refuses.
    """
    if not model.ir_version or not model.graph.output or not model.opset_import:
        raise ModelError(f"The model '{path}' is truncated or not an ONNX file.")


def _check_external_data(model: ModelProto, path: Path) -> None:
    """Weights outside the file must lie in its own folder: a model must not make us read anything else.

    The cache of a model hub has links to files that lie side by side elsewhere: the folder of what the model itself is
    a link to is its own folder, too, as in ONNX Runtime.
    """
    root, target = path.parent.resolve(), path.resolve().parent
    for location, needed in _external_locations(model):
        file = (root / location).resolve()
        if Path(location).is_absolute() or not (file.is_relative_to(root) or file.is_relative_to(target)):
            raise ModelError(f"The model '{path}' keeps weights in '{location}', outside its own folder.")
        if not file.is_file():
            raise ModelError(f"The model '{path}' keeps weights in '{location}', which is missing beside it.")
        if file.stat().st_size < needed:
            raise ModelError(
                f"The model '{path}' keeps weights in '{location}', which is truncated: "
                f"{needed} bytes are needed, and it has {file.stat().st_size}."
            )


def _external_locations(model: ModelProto) -> Iterator[tuple[str, int]]:
    """Yield (location, bytes that must be there) of every tensor stored outside the file."""
    from onnx import TensorProto

    for tensor in _tensors(model):
        if tensor.data_location != TensorProto.EXTERNAL:
            continue
        entries = {entry.key: entry.value for entry in tensor.external_data}
        numbers = [entries.get(key, "0") for key in ("offset", "length")]
        yield entries.get("location", ""), sum(int(number) for number in numbers if number.isdecimal())


def _tensors(model: ModelProto) -> Iterator[TensorProto]:
    yield from _graph_tensors(model.graph)
    for function in model.functions:
        for node in function.node:
            for attribute in node.attribute:
                yield attribute.t
                yield from attribute.tensors


def _graph_tensors(graph: GraphProto) -> Iterator[TensorProto]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield sparse.values
        yield sparse.indices
    for node in graph.node:
        for attribute in node.attribute:
            yield attribute.t
            yield from attribute.tensors
            for subgraph in (attribute.g, *attribute.graphs):
                yield from _graph_tensors(subgraph)


def _batch_symbol(value: ValueInfoProto) -> str | None:
    """Return the symbol of the first dimension; empty where it is open but nameless; None where it is fixed."""
    dimensions = value.type.tensor_type.shape.dim
    if not dimensions or dimensions[0].dim_value > 0:
        return None
    return str(dimensions[0].dim_param)


def _tensor_spec(value: ValueInfoProto, batch_symbols: set[str | None], path: Path) -> TensorSpec:
    from onnx import helper

    kind = value.type.WhichOneof("value")
    if kind != "tensor_type":
        raise ModelError(f"The model '{path}' has '{value.name}' of the kind {kind}; only tensors can be measured.")
    tensor = value.type.tensor_type
    shape: list[int | str] = [] if tensor.HasField("shape") else [UNKNOWN_RANK]
    for axis, dimension in enumerate(tensor.shape.dim):
        if dimension.dim_value > 0:  # some exporters write 0 or -1 for an open dimension
            shape.append(dimension.dim_value)
        elif axis == 0 or dimension.dim_param in batch_symbols:
            shape.append(BATCH)
        else:
            shape.append(dimension.dim_param or f"?{value.name}_{axis}")
    return TensorSpec(value.name, tuple(shape), helper.tensor_dtype_to_np_dtype(tensor.elem_type).name)

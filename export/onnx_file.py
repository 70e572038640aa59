"""Read an .onnx file: is it one, is it whole, and what are its inputs and outputs?"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ortbench.errors import ModelError
from ortbench.export.external_data import as_text, check_external_data, external_locations
from ortbench.models.dimensions import NAMELESS, is_placeholder
from ortbench.models.files import file_sha256
from ortbench.models.spec import UNKNOWN_RANK, TensorSpec
from ortbench.models.values import TEXT

if TYPE_CHECKING:
    from onnx import ModelProto, TensorShapeProto, ValueInfoProto

# A size is a 64-bit integer.
_MOST_DIGITS = 18


def read_signature(path: Path) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    """Return the inputs and outputs of a model file, without its weights.

    Open dimensions keep their names; nameless ones and placeholders such as `?` get `?NAME_AXIS` each. A name of
    digits is that number. Initializers listed as inputs, as files before IR version 4 have them, are no inputs.

    Raises:
        ModelError: the file is missing, empty, truncated, no ONNX model, or its external data is missing,
            too short or outside its own folder.
    """
    with _reading(path):
        return _signature(_load(path), path)


def _signature(model: ModelProto, path: Path) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    check_external_data(model, path)
    _check_structure(model, path)
    initializers = {tensor.name for tensor in model.graph.initializer}
    initializers |= {tensor.values.name for tensor in model.graph.sparse_initializer}
    real_inputs = [value for value in model.graph.input if value.name not in initializers]
    inputs = tuple(_tensor_spec(value, path) for value in real_inputs)
    # Sequences, maps and optional values are computed with the rest, but neither fetched nor compared.
    fetched = [value for value in model.graph.output if value.type.WhichOneof("value") in ("tensor_type", None)]
    if not fetched:
        raise ModelError(f"The model '{path}' has no output that is a tensor, so there is nothing to compare.")
    outputs = tuple(_tensor_spec(value, path) for value in fetched)
    if not inputs:
        raise ModelError(f"The model '{path}' has no inputs, so there is nothing to vary; expected at least one.")
    return inputs, outputs


def model_sha256(path: Path) -> str:
    """Return the SHA-256 of a model: of its file, or of all its files' digests where weights lie beside it.

    Raises:
        ModelError: it cannot be read.
    """
    with _reading(path):
        locations = sorted({location for location, _ in external_locations(_load(path), path)})
        digest = file_sha256(path)
        if not locations:
            return digest
        digests = [digest, *(file_sha256(path.parent / location) for location in locations)]
    return hashlib.sha256("".join(digests).encode("ascii")).hexdigest()


def default_opset(path: Path) -> int | None:
    """Return the version of the standard operator set that a model file uses.

    Raises:
        ModelError: it cannot be read.
    """
    with _reading(path):
        return next((entry.version for entry in _load(path).opset_import if entry.domain in ("", "ai.onnx")), None)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Word whatever a file, or the system when it is read, may come up with.

    Raises:
        ModelError: the block could not read it.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise ModelError(f"The name of the model '{path}' is not UTF-8 text; give the file another name.") from error
    try:
        yield
    except UnicodeDecodeError as error:
        raise ModelError(f"The model '{path}' is damaged: it holds a name that is not UTF-8 text.") from error
    except OSError as error:
        raise ModelError(f"The model '{path}' cannot be read: {error.strerror}.") from error


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


def _check_structure(model: ModelProto, path: Path) -> None:
    """Refuse what parses but is no whole model: files are written in the order of these fields, graph before opset.

    Whether the graph itself is sound is for ONNX Runtime to say, which runs files that the ONNX checker refuses.
    """
    if not model.ir_version or not model.graph.output or not model.opset_import:
        raise ModelError(f"The model '{path}' is truncated or not an ONNX file.")


def _tensor_spec(value: ValueInfoProto, path: Path) -> TensorSpec:
    from onnx import TensorProto, helper

    name = as_text(value.name)
    kind = value.type.WhichOneof("value")
    if kind != "tensor_type":
        raise ModelError(f"The model '{path}' has '{name}' of the kind {kind}; only tensors can be measured.")
    tensor = value.type.tensor_type
    shape: list[int | str] = [] if tensor.HasField("shape") else [UNKNOWN_RANK]
    shape += [_dimension(dimension, name, axis) for axis, dimension in enumerate(tensor.shape.dim)]
    is_text = tensor.elem_type == TensorProto.STRING
    try:
        dtype = TEXT if is_text else helper.tensor_dtype_to_np_dtype(tensor.elem_type).name
    except (KeyError, ValueError) as error:
        raise ModelError(
            f"The model '{path}' has '{name}' of the element type {tensor.elem_type}, which this version of onnx "
            "does not know."
        ) from error
    return TensorSpec(name, tuple(shape), dtype)


def _dimension(dimension: TensorShapeProto.Dimension, name: str, axis: int) -> int | str:
    """Return a size, a name, or a symbol of its own. 0 is a size, as in ONNX Runtime; -1 is none."""
    kind = dimension.WhichOneof("value")
    if kind == "dim_value" and dimension.dim_value >= 0:
        return int(dimension.dim_value)
    symbol = as_text(dimension.dim_param) if kind == "dim_param" else ""
    if symbol.isdecimal() and len(symbol) <= _MOST_DIGITS:
        return int(symbol)
    return f"{NAMELESS}{name}_{axis}" if is_placeholder(symbol) else symbol

"""Inputs for one batch size: seeded values, or the user's own from an .npz file. Pure functions of data."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from ortbench.errors import InputShapeError, ModelError
from ortbench.models.spec import BATCH, UNKNOWN_RANK, ModelSource, TensorSpec

Arrays = dict[str, NDArray[np.generic]]

# Zeros and ones are valid token ids, token types, masks and indices alike; larger integers need not be.
_INTEGER_LIMIT = 2


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """Which items of a batch one instance gets: `items` of them, from `first` on, out of `of`."""

    first: int
    items: int
    of: int


def make_inputs(source: ModelSource, batch_size: int, index: int = 0, part: Part | None = None) -> Arrays:
    """Return one array per input of `source`, the batch dimension being `batch_size`.

    Floats are standard normal, integers 0 or 1, booleans true or false, all from `source.seed`. With an
    inputs file, its rows are taken in order, and from the beginning again where the batch is larger.

    Args:
        source: the model.
        batch_size: of every input that has a batch.
        index: which batch; each has other values, or the file's next rows. Batch 0 is the one that is timed.
        part: of the batch; None for all of it.

    Raises:
        InputShapeError: a dimension is open, or a type cannot be filled.
    """
    whole = _whole_batch(source, batch_size, index)
    return whole if part is None else take_part(whole, source.inputs, part)


def take_part(arrays: Mapping[str, NDArray[np.generic]], specs: Sequence[TensorSpec], part: Part) -> Arrays:
    """Return one instance's items of every array that has a batch.

    Args:
        arrays: inputs or outputs of a whole batch.
        specs: what is known of them, by name; where the first axis is open and as long as the batch, it is the batch.
        part: the items.
    """
    shapes = {spec.name: spec.shape for spec in specs}
    rows = np.arange(part.first, part.first + part.items)
    taken: Arrays = {}
    for name, array in arrays.items():
        axis = batch_axis(shapes.get(name, (UNKNOWN_RANK,)), np.shape(array), part.of)
        taken[name] = np.asarray(array) if axis is None else np.ascontiguousarray(np.take(array, rows, axis=axis))
    return taken


def batch_axis(declared: tuple[int | str, ...], shape: tuple[int, ...], batch_size: int) -> int | None:
    """Return which axis of an array is the batch; None where none is.

    Args:
        declared: its shape in the model.
        shape: its shape.
        batch_size: where the first axis is open and as long as this, it is the batch.
    """
    if BATCH in declared:
        return declared.index(BATCH)
    is_open = bool(declared) and isinstance(declared[0], str)
    return 0 if is_open and shape[:1] == (batch_size,) else None


def _whole_batch(source: ModelSource, batch_size: int, index: int) -> Arrays:
    if source.inputs_file is not None:
        arrays = load_inputs_file(Path(source.inputs_file))
        return {spec.name: _take_rows(arrays[spec.name], spec, batch_size, index) for spec in source.inputs}
    generator = np.random.default_rng((source.seed, index) if index else source.seed)
    return {spec.name: _random_array(spec, batch_size, generator) for spec in source.inputs}


def distinct_inputs(source: ModelSource, batch_size: int, wanted: int) -> int:
    """Return how many different inputs can be had in whole batches: enough for `wanted`, or as many as a file has."""
    enough = -(-wanted // batch_size) * batch_size
    if source.inputs_file is None:
        return enough
    arrays = load_inputs_file(Path(source.inputs_file))
    batched = [spec for spec in source.inputs if BATCH in spec.shape]
    rows = max((arrays[spec.name].shape[spec.shape.index(BATCH)] for spec in batched), default=batch_size)
    return min(enough, rows)


def load_inputs_file(path: Path) -> Arrays:
    """Read an .npz file of named arrays, without pickles.

    Raises:
        InputShapeError: it does not exist or is no such file.
    """
    try:
        # numpy leaves a damaged file open; opened here, it is closed here.
        with path.open("rb") as stream:
            file = np.load(stream, allow_pickle=False)
            if not isinstance(file, np.lib.npyio.NpzFile):
                raise InputShapeError(f"--inputs '{path}' holds one array; expected an .npz file of named arrays.")
            return {name: file[name] for name in file.files}
    except FileNotFoundError as error:
        raise InputShapeError(f"--inputs '{path}' does not exist.") from error
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputShapeError(f"--inputs '{path}' is no .npz file of plain arrays: {error}") from error


def resolve_shapes(
    inputs: tuple[TensorSpec, ...],
    shapes: Mapping[str, tuple[int, ...]],
    arrays: Mapping[str, NDArray[np.generic]],
) -> tuple[TensorSpec, ...]:
    """Fix every dimension that is neither known nor the batch from `--input-shape` and `--inputs`.

    A symbol that one input settles is settled in the others too.

    Args:
        inputs: as the model declares them.
        shapes: from `--input-shape`, by input name; where the model has the batch, the number given is ignored.
        arrays: from `--inputs`, by input name; empty without one.

    Raises:
        InputShapeError: a name is unknown or missing, a shape contradicts the model, or a dimension stays open.
    """
    _check_names(inputs, shapes, arrays)
    inputs = tuple(_with_rank(spec, shapes, arrays) for spec in inputs)
    symbols: dict[str, int] = {}
    for spec in inputs:
        for given, origin in _given_shapes(spec, shapes, arrays):
            _match(spec, given, origin, symbols)
    resolved = tuple(
        TensorSpec(
            spec.name,
            tuple(symbols.get(size, size) if isinstance(size, str) else size for size in spec.shape),
            spec.dtype,
        )
        for spec in inputs
    )
    for spec in resolved:
        open_symbols = [size for size in spec.shape if isinstance(size, str) and size != BATCH]
        if open_symbols:
            raise InputShapeError(
                f"Input '{spec.name}' has the shape {format_shape(spec.shape)}, and nothing says what "
                f"{', '.join(open_symbols)} is. Give --input-shape {spec.name}={_example(spec)} or --inputs FILE.npz."
            )
    return resolved


def format_shape(shape: tuple[int | str, ...]) -> str:
    """Write a shape as it is typed: `batchx3x224x224`, or `scalar`."""
    return "x".join(str(size) for size in shape) if shape else "scalar"


def _check_names(
    inputs: tuple[TensorSpec, ...],
    shapes: Mapping[str, tuple[int, ...]],
    arrays: Mapping[str, NDArray[np.generic]],
) -> None:
    names = [spec.name for spec in inputs]
    for option, given in (("--input-shape", shapes), ("--inputs", arrays)):
        for name in given:
            if name not in names:
                raise InputShapeError(f"{option} names '{name}', but the model's inputs are [{', '.join(names)}].")
    missing = [name for name in names if arrays and name not in arrays]
    if missing:
        raise InputShapeError(f"--inputs lacks [{', '.join(missing)}]; the model's inputs are [{', '.join(names)}].")


def _with_rank(
    spec: TensorSpec, shapes: Mapping[str, tuple[int, ...]], arrays: Mapping[str, NDArray[np.generic]]
) -> TensorSpec:
    """Take the whole shape from what is given where the model does not even tell the number of dimensions."""
    given = _given_shapes(spec, shapes, arrays)
    if spec.shape != (UNKNOWN_RANK,) or not given:
        return spec
    shape, _ = given[0]
    return TensorSpec(spec.name, (BATCH, *shape[1:]) if shape else (), spec.dtype)


def _given_shapes(
    spec: TensorSpec, shapes: Mapping[str, tuple[int, ...]], arrays: Mapping[str, NDArray[np.generic]]
) -> list[tuple[tuple[int, ...], str]]:
    given = []
    if spec.name in shapes:
        given.append((shapes[spec.name], "--input-shape"))
    if spec.name in arrays:
        if arrays[spec.name].dtype.name != spec.dtype:
            raise InputShapeError(
                f"--inputs gives '{spec.name}' as {arrays[spec.name].dtype.name}, but the model wants {spec.dtype}."
            )
        given.append((arrays[spec.name].shape, "--inputs"))
    return given


def _match(spec: TensorSpec, given: tuple[int, ...], origin: str, symbols: dict[str, int]) -> None:
    fits = len(given) == len(spec.shape) and 0 not in given
    for size, number in zip(spec.shape, given, strict=False):
        if isinstance(size, int):
            fits = fits and size == number
        elif size != BATCH:
            fits = fits and symbols.setdefault(size, number) == number
    if not fits:
        settled = tuple(symbols.get(size, size) if isinstance(size, str) else size for size in spec.shape)
        raise InputShapeError(
            f"{origin} gives '{spec.name}' the shape {format_shape(given)}, "
            f"but the model wants {format_shape(settled)}."
        )


def _example(spec: TensorSpec) -> str:
    return "x".join("1" if size == BATCH else str(size) for size in spec.shape).replace(UNKNOWN_RANK, "1x3x224x224")


def _concrete_shape(spec: TensorSpec, batch_size: int) -> tuple[int, ...]:
    sizes: list[int] = []
    for size in spec.shape:
        if isinstance(size, str) and size != BATCH:
            raise InputShapeError(f"Input '{spec.name}' has the open dimension {size}.")
        sizes.append(batch_size if isinstance(size, str) else size)
    return tuple(sizes)


def _random_array(spec: TensorSpec, batch_size: int, generator: np.random.Generator) -> NDArray[np.generic]:
    shape = _concrete_shape(spec, batch_size)
    try:
        dtype = np.dtype(spec.dtype)
    except TypeError:  # bfloat16, float8 and the like, which numpy itself does not know
        dtype = np.dtype(object)
    if dtype.kind == "f":
        draw = np.float64 if dtype == np.float64 else np.float32
        values = np.asarray(generator.standard_normal(shape, dtype=draw))
        return values.astype(dtype, copy=False)
    if dtype.kind in "iub":
        return np.asarray(generator.integers(0, _INTEGER_LIMIT, size=shape)).astype(dtype)
    raise ModelError(f"Input '{spec.name}' is of type {spec.dtype}, which cannot be filled with seeded values.")


def _take_rows(array: NDArray[np.generic], spec: TensorSpec, batch_size: int, index: int) -> NDArray[np.generic]:
    if BATCH not in spec.shape:
        return array
    axis = spec.shape.index(BATCH)
    rows = np.arange(index * batch_size, (index + 1) * batch_size) % array.shape[axis]
    return np.ascontiguousarray(np.take(array, rows, axis=axis))

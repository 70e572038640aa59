"""Inputs for one batch size: seeded values, or the user's own from an .npz file. Pure functions of data."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from ortbench.errors import InputShapeError
from ortbench.models.dimensions import tells_nothing
from ortbench.models.npz import read_arrays, read_headers, read_rows
from ortbench.models.shape_hints import format_shape
from ortbench.models.spec import BATCH, UNKNOWN_RANK, ModelSource, TensorSpec, has_batch
from ortbench.models.values import TEXT, fill, read_filling

Arrays = dict[str, NDArray[np.generic]]


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """Which items of a batch one instance gets: `items` of them, from `first` on, out of `of`."""

    first: int
    items: int
    of: int


def make_inputs(source: ModelSource, batch_size: int, index: int = 0, part: Part | None = None) -> Arrays:
    """Return one array per input of `source`, the batch dimension being `batch_size`.

    Floats are standard normal, integers 0 or 1, booleans true or false, all from `source.seed`, where the input says
    nothing else. With an inputs file, its rows are taken in order, and from the beginning again where the batch is
    larger.

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
        specs: what is known of them, by name; where a nameless first axis is as long as the batch, it is the batch.
        part: the items.
    """
    shapes = {spec.name: spec.shape for spec in specs}
    rows = np.arange(part.first, part.first + part.items)
    taken: Arrays = {}
    for name, array in arrays.items():
        axis = batch_axis(shapes.get(name, (UNKNOWN_RANK,)), np.shape(array), part.of)
        taken[name] = np.asarray(array) if axis is None else np.ascontiguousarray(np.take(array, rows, axis=axis))
    return taken


def parts_of(items: Sequence[int]) -> list[Part]:
    """Return consecutive parts of a batch of so many items each."""
    ends = itertools.accumulate(items)
    return [Part(first=end - count, items=count, of=sum(items)) for end, count in zip(ends, items, strict=True)]


def batch_axis(declared: tuple[int | str, ...], shape: tuple[int, ...], batch_size: int) -> int | None:
    """Return which axis of an array is the batch, the first of those that may be; None where none is.

    Args:
        declared: its shape in the model.
        shape: its shape.
        batch_size: where an axis has no name of its own and is as long as this, it may be the batch.
    """
    return next(iter(possible_batch_axes(declared, shape, batch_size)), None)


def possible_batch_axes(declared: tuple[int | str, ...], shape: tuple[int, ...], batch_size: int) -> list[int]:
    """Return which axes of an array may be the batch: the one that is called so, else nameless ones of that length."""
    if BATCH in declared:
        return [declared.index(BATCH)]
    if declared == (UNKNOWN_RANK,):
        return [0] if shape[:1] == (batch_size,) else []
    pairs = enumerate(zip(declared, shape, strict=False))
    return [
        axis for axis, (name, size) in pairs if isinstance(name, str) and tells_nothing(name) and size == batch_size
    ]


def indivisible(source: ModelSource) -> str | None:
    """Say why a batch cannot be divided and what comes out be joined again; None where it can.

    An output whose first axis has a name that no input has, such as a number of boxes, is of all items together.
    """
    if not has_batch(source):
        return "the model has no open batch"
    for spec in source.inputs:
        if spec.shape.count(BATCH) > 1:
            return f"the input '{spec.name}' has the batch on two axes"
    for spec in source.outputs:
        open_names = [size for size in spec.shape if isinstance(size, str) and not tells_nothing(size)]
        if BATCH not in spec.shape and open_names and spec.shape != (UNKNOWN_RANK,):
            return f"the output '{spec.name}' ({format_shape(spec.shape)}) is not of the batch"
    return None


def _whole_batch(source: ModelSource, batch_size: int, index: int) -> Arrays:
    path = Path(source.inputs_file or "")
    given = declared_arrays(path) if source.inputs_file is not None else {}
    generator = np.random.default_rng((source.seed, index) if index else source.seed)
    arrays: Arrays = {}
    for spec in source.inputs:
        if spec.name in given:
            arrays[spec.name] = _take_rows(path, given[spec.name], spec, batch_size, index)
        else:
            own = _own_generator(source, spec) if is_switch(spec) else generator
            arrays[spec.name] = _filled(spec, batch_size, own)
    return arrays


def is_switch(spec: TensorSpec) -> bool:
    """Say whether an input may choose what the model does: a boolean or a single number, the same for all items."""
    return BATCH not in spec.shape and (spec.dtype == "bool" or all(size == 1 for size in spec.shape))


def drawn_switches(source: ModelSource) -> Arrays:
    """Return the values of those inputs that may choose what the model does and that the seed has drawn."""
    if source.inputs_file is not None:
        return {}
    drawn = [spec for spec in source.inputs if spec.values is None and is_switch(spec)]
    return {spec.name: _filled(spec, 1, _own_generator(source, spec)) for spec in drawn}


def distinct_inputs(source: ModelSource, batch_size: int, wanted: int) -> int:
    """Return how many different inputs can be had in whole batches: enough for `wanted`, or as many as a file has."""
    enough = -(-wanted // batch_size) * batch_size
    if source.inputs_file is None:
        return enough
    arrays = declared_arrays(Path(source.inputs_file))
    batched = [spec for spec in source.inputs if BATCH in spec.shape and spec.name in arrays]
    rows = max((arrays[spec.name].shape[spec.shape.index(BATCH)] for spec in batched), default=batch_size)
    return min(enough, rows)


def load_inputs_file(path: Path) -> Arrays:
    """Read an .npz file of named arrays, without pickles.

    Raises:
        InputShapeError: it does not exist or is no such file.
    """
    return {name: _as_text(array) for name, array in read_arrays(path).items()}


def declared_arrays(path: Path) -> Arrays:
    """Return arrays of the shapes and types that an .npz file says it has; their values mean nothing and are not read.

    Raises:
        InputShapeError: it does not exist or is no such file.
    """
    return {name: header.placeholder() for name, header in read_headers(path).items()}


def check_arrays(
    inputs: Sequence[TensorSpec], arrays: Mapping[str, NDArray[np.generic]], values: Mapping[str, str]
) -> None:
    """Refuse arrays and values that name no input, leave one out, are of another type, or say the same twice.

    Args:
        inputs: of the model.
        arrays: of `--inputs`; empty without a file.
        values: of `--values`.

    Raises:
        InputShapeError: they do.
    """
    listed = ", ".join(spec.name for spec in inputs)
    types = {spec.name: spec.dtype for spec in inputs}
    for option, names in (("--inputs", arrays), ("--values", values)):
        for name in names:
            if name not in types:
                raise InputShapeError(f"{option} names '{name}', but the model's inputs are [{listed}].")
    if both := [name for name in values if name in arrays]:
        raise InputShapeError(f"--values and --inputs both say what '{both[0]}' is; leave one of them out.")
    if missing := [name for name in types if arrays and name not in arrays and name not in values]:
        raise InputShapeError(f"--inputs lacks [{', '.join(missing)}]; the model's inputs are [{listed}].")
    for name, array in arrays.items():
        found = TEXT if array.dtype.kind == "U" else array.dtype.name
        if found != types[name]:
            raise InputShapeError(f"--inputs gives '{name}' as {found}, but the model wants {types[name]}.")


def _as_text(array: NDArray[np.generic]) -> NDArray[np.generic]:
    return np.char.decode(array.astype(np.bytes_), "utf-8") if array.dtype.kind == "S" else array


def _concrete_shape(spec: TensorSpec, batch_size: int) -> tuple[int, ...]:
    sizes: list[int] = []
    for size in spec.shape:
        if isinstance(size, str) and size != BATCH:
            raise InputShapeError(f"Input '{spec.name}' has the open dimension {size}.")
        sizes.append(batch_size if isinstance(size, str) else size)
    return tuple(sizes)


def _filled(spec: TensorSpec, batch_size: int, generator: np.random.Generator) -> NDArray[np.generic]:
    filling = read_filling(spec.name, spec.dtype, spec.values)
    return fill(filling, spec.dtype, _concrete_shape(spec, batch_size), generator)


def _own_generator(source: ModelSource, spec: TensorSpec) -> np.random.Generator:
    """Return the generator of an input that chooses what the model does: the same for every batch and batch size."""
    return np.random.default_rng((source.seed, 0, zlib.crc32(spec.name.encode())))


def _take_rows(
    path: Path, declared: NDArray[np.generic], spec: TensorSpec, batch_size: int, index: int
) -> NDArray[np.generic]:
    """Read what one batch takes of an array of the inputs' file, and no more; `declared` has its shape and type."""
    if BATCH not in spec.shape:
        return _as_text(read_arrays(path, [spec.name])[spec.name])
    axis = spec.shape.index(BATCH)
    rows = np.arange(index * batch_size, (index + 1) * batch_size) % declared.shape[axis]
    return _as_text(read_rows(path, spec.name, axis, rows.tolist()))

"""From a model's own shapes to those that run: what is given, what follows from it, and the batch. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from ortbench.errors import InputShapeError
from ortbench.models.batch import Batch, Place, find_batch
from ortbench.models.dimensions import NAMELESS, depends_on, evaluate
from ortbench.models.shape_hints import format_shape, open_symbols, what_is_open
from ortbench.models.spec import BATCH, UNKNOWN_RANK, Dimension, TensorSpec

Shape = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Given:
    """What was said about shapes.

    Attributes:
        shapes: of `--input-shape`, by input name.
        arrays: the shapes in `--inputs`, by input name; empty without a file.
        batch_sizes: of `--batch-sizes`; None where it was not given.
        batch_axis: of `--batch-axis`; None where it was not given.
    """

    shapes: Mapping[str, Shape] = field(default_factory=dict)
    arrays: Mapping[str, Shape] = field(default_factory=dict)
    batch_sizes: Sequence[int] | None = None
    batch_axis: str | None = None


@dataclass(frozen=True, kw_only=True)
class SettledShapes:
    """Shapes in which only the batch is open.

    Attributes:
        inputs, outputs: with `BATCH` where the batch stands; outputs may have other symbols.
        batch: where it is, in the model's own names.
        given_size: the batch size that `--input-shape` gives; None where it does not.
        rows: how many items `--inputs` holds; None without a file or a batch.
        notes: what is unusual, in words.
    """

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    batch: Batch
    given_size: int | None = None
    rows: int | None = None
    notes: tuple[str, ...] = ()


def settle_shapes(inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec], given: Given) -> SettledShapes:
    """Find the batch and fix every other dimension of the inputs.

    A name that one input settles is settled in the others too, and so is a sum of such names. A name for which two
    sizes are given has each in its own place, as in ONNX Runtime, which compares no names.

    Args:
        inputs: as the model declares them; nameless dimensions have symbols of their own.
        outputs: likewise.
        given: what was said.

    Raises:
        InputShapeError: a shape contradicts the model, the batch cannot be told, or a dimension stays open.
    """
    _check_names(inputs, given)
    inputs = [_with_rank(spec, given) for spec in inputs]
    shaped = _numbers(inputs, given.shapes, "--input-shape")
    filed = _numbers(inputs, given.arrays, "--inputs")
    numbers = filed | shaped
    batch = find_batch(inputs, numbers, given.batch_sizes, given.batch_axis)
    _refuse_two_sizes(shaped, filed, batch)
    symbols = _symbol_sizes(inputs, numbers, batch)
    settled = tuple(_settled(spec, numbers, symbols, batch) for spec in inputs)
    given_size = next((shaped[place] for place in sorted(batch.places & shaped.keys())), None)
    if any(open_symbols(spec) for spec in settled):
        raise InputShapeError(what_is_open(settled, batch, given_size or min(given.batch_sizes or (1,))))
    rows = next((filed[place] for place in sorted(batch.places & filed.keys())), None)
    _check_batch(batch, given_size, rows)
    _refuse_dependent(inputs, batch, given, given_size, rows)
    return SettledShapes(
        inputs=settled,
        outputs=tuple(_settled_output(spec, symbols, batch) for spec in outputs),
        batch=batch,
        given_size=given_size if batch.size is None else None,
        rows=rows,
        notes=(*_notes(symbols, batch, numbers), *_beside(given, batch, given_size)),
    )


def _check_names(inputs: Sequence[TensorSpec], given: Given) -> None:
    names = [spec.name for spec in inputs]
    for option, shapes in (("--input-shape", given.shapes), ("--inputs", given.arrays)):
        for name in shapes:
            if name not in names:
                raise InputShapeError(f"{option} names '{name}', but the model's inputs are [{', '.join(names)}].")


def _with_rank(spec: TensorSpec, given: Given) -> TensorSpec:
    """Take the number of dimensions from what is given where the model does not tell it."""
    shape = given.shapes.get(spec.name, given.arrays.get(spec.name))
    if spec.shape != (UNKNOWN_RANK,) or shape is None:
        return spec
    nameless = tuple(f"{NAMELESS}{spec.name}_{axis}" for axis in range(len(shape)))
    return msgspec.structs.replace(spec, shape=nameless)


def _numbers(inputs: Sequence[TensorSpec], shapes: Mapping[str, Shape], origin: str) -> dict[Place, int]:
    """Return what one source says of each axis.

    Raises:
        InputShapeError: it says something else than the model.
    """
    numbers: dict[Place, int] = {}
    for spec in (spec for spec in inputs if spec.name in shapes):
        shape = shapes[spec.name]
        pairs = list(zip(spec.shape, shape, strict=False))
        if len(shape) != len(spec.shape) or any(isinstance(size, int) and size != number for size, number in pairs):
            raise InputShapeError(
                f"{origin} gives '{spec.name}' the shape {format_shape(shape)}, "
                f"but the model wants {format_shape(spec.shape)}."
            )
        numbers |= {(spec.name, axis): number for axis, number in enumerate(shape)}
    return numbers


def _refuse_two_sizes(shaped: Mapping[Place, int], filed: Mapping[Place, int], batch: Batch) -> None:
    """Of the batch a file may have more items than a call takes; everything else must be the same."""
    for place in shaped.keys() & filed.keys() - batch.places:
        if shaped[place] != filed[place]:
            raise InputShapeError(
                f"--input-shape gives axis {place[1]} of '{place[0]}' as {shaped[place]}, but in --inputs it is "
                f"{filed[place]}. Leave --input-shape out."
            )


def _symbol_sizes(
    inputs: Sequence[TensorSpec], numbers: Mapping[Place, int], batch: Batch
) -> dict[str, tuple[int, ...]]:
    """Return the sizes that were given for each symbol, where it is not the batch."""
    sizes: dict[str, dict[int, None]] = {}
    for spec in inputs:
        for axis, symbol in enumerate(spec.shape):
            place = (spec.name, axis)
            if isinstance(symbol, str) and place in numbers and place not in batch.places | batch.left_out:
                sizes.setdefault(symbol, {})[numbers[place]] = None
    return {symbol: tuple(given) for symbol, given in sizes.items()}


def _settled(
    spec: TensorSpec, numbers: Mapping[Place, int], symbols: Mapping[str, tuple[int, ...]], batch: Batch
) -> TensorSpec:
    known = {symbol: sizes[0] for symbol, sizes in symbols.items() if len(sizes) == 1}
    shape: list[Dimension] = []
    for axis, size in enumerate(spec.shape):
        place = (spec.name, axis)
        if place in batch.places:
            shape.append(BATCH if batch.size is None else batch.size)
        elif isinstance(size, int) or place in numbers:
            shape.append(numbers.get(place, size))
        else:
            number = known.get(size, evaluate(size, known))
            shape.append(_not_the_batch(size) if number is None else number)
    return msgspec.structs.replace(spec, shape=tuple(shape))


def _settled_output(spec: TensorSpec, symbols: Mapping[str, tuple[int, ...]], batch: Batch) -> TensorSpec:
    known = {symbol: sizes[0] for symbol, sizes in symbols.items() if len(sizes) == 1}
    shape: list[Dimension] = []
    for size in spec.shape:
        if isinstance(size, int):
            shape.append(size)
        elif size in batch.symbols:
            shape.append(BATCH if batch.size is None else batch.size)
        else:
            number = known.get(size, evaluate(size, known))
            shape.append(_not_the_batch(size) if number is None else number)
    return msgspec.structs.replace(spec, shape=tuple(shape))


def _not_the_batch(symbol: str) -> str:
    """Keep a dimension that is called `batch` and is not the batch apart from the one that is."""
    return f"{symbol}*" if symbol == BATCH else symbol


def _check_batch(batch: Batch, given_size: int | None, rows: int | None) -> None:
    if given_size == 0 or rows == 0:
        raise InputShapeError(f"The batch ({batch.label}) is given as 0; a call needs at least one item.")


def _beside(given: Given, batch: Batch, given_size: int | None) -> list[str]:
    """Say that a batch typed as a shape is measured beside those of `--batch-sizes`."""
    asked = given.batch_sizes
    if given_size is None or batch.size is not None or asked is None or given_size in asked:
        return []
    listed = ",".join(map(str, asked))
    return [f"--input-shape gives a batch of {given_size}, which is measured beside --batch-sizes {listed}"]


def _refuse_dependent(
    inputs: Sequence[TensorSpec], batch: Batch, given: Given, given_size: int | None, rows: int | None
) -> None:
    """Refuse other batch sizes than the one given where another dimension, such as `batch * beams`, goes with it."""
    dependent = [
        (spec.name, symbol)
        for spec in inputs
        for symbol in spec.shape
        if isinstance(symbol, str) and symbol not in batch.symbols and depends_on(symbol, batch.symbols)
    ]
    size = rows if given_size is None else given_size
    asked = {*(given.batch_sizes or ()), *(() if given_size is None else (given_size,))}
    if dependent and asked != {size}:
        name, symbol = dependent[0]
        raise InputShapeError(
            f"The dimension {symbol} of '{name}' depends on the batch ({batch.label}), so that one batch size alone "
            "can be measured. Give --input-shape for all inputs and leave --batch-sizes out, or give --inputs "
            "with --batch-sizes of its number of items."
        )


def _notes(symbols: Mapping[str, tuple[int, ...]], batch: Batch, numbers: Mapping[Place, int]) -> list[str]:
    notes = [
        f"the model's dimension {symbol} stands for {' and '.join(map(str, sizes))}, which ONNX Runtime lets pass"
        for symbol, sizes in symbols.items()
        if len(sizes) > 1
    ]
    fixed = [f"{numbers[place]} in '{place[0]}'" for place in sorted(batch.left_out)]
    return notes + ([f"the batch ({batch.label}) is fixed at {', '.join(fixed)}"] if fixed else [])

"""What goes into a call, in words: the shapes that run, the batch, and what the seed has drawn. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ortbench.models.inputs import drawn_switches
from ortbench.models.shape_hints import format_shape
from ortbench.models.shapes import SettledShapes
from ortbench.models.spec import BATCH, ModelSource, has_batch

# Of a drawn input no more than so many values are shown.
_SHOWN = 4


def shapes_line(source: ModelSource) -> str:
    """Return the shape of every input, e.g. `ids batchx16, image 1x3x32x32`."""
    return ", ".join(f"{spec.name} {format_shape(spec.shape)}" for spec in source.inputs)


def batch_line(source: ModelSource, shapes: SettledShapes | None) -> str:
    """Say which dimension is the batch."""
    if has_batch(source):
        label = shapes.batch.label if shapes else "batch"
        return f"{label}: {_places(source)}"
    if shapes is not None and shapes.batch.places:
        return f"{shapes.batch.label}, which the model fixes at {source.fixed_batch}"
    return "none: a call is one item"


def _places(source: ModelSource) -> str:
    axes: dict[int, list[str]] = {}
    for spec in source.inputs:
        if BATCH in spec.shape:
            axes.setdefault(spec.shape.index(BATCH), []).append(spec.name)
    if all(len(names) == len(source.inputs) > 1 for names in axes.values()):
        return f"axis {next(iter(axes))} of every input"
    return ", ".join(f"axis {axis} of {', '.join(names)}" for axis, names in axes.items())


def input_lines(source: ModelSource, shapes: SettledShapes, batch_sizes: Sequence[int]) -> list[str]:
    """Return the lines of a plan that say what goes into a call."""
    lines = [f"shapes   {shapes_line(source)}", f"batch    {batch_line(source, shapes)}"]
    if values := [f"{spec.name}={spec.values}" for spec in source.inputs if spec.values is not None]:
        lines.append(f"values   {', '.join(values)}")
    lines += [f"drawn    {line}" for line in drawn_lines(source, " by the seed")]
    lines += [f"rows     {line}" for line in _row_lines(shapes.rows, batch_sizes)]
    return lines + [f"note     {note}" for note in shapes.notes]


def drawn_lines(source: ModelSource, how: str = "") -> list[str]:
    """Say of each input that may choose what the model does what the seed has drawn, and how to choose."""
    return [
        f"{name} = {_shown(array)}{how}; --values {name}={_other(array)} would choose"
        for name, array in drawn_switches(source).items()
    ]


def input_notes(source: ModelSource, shapes: SettledShapes | None) -> list[str]:
    """Return what stands among the notes of a run of a file: its shapes, its batch, and what was drawn."""
    if source.path is None:
        return []
    notes = [f"inputs: {shapes_line(source)}; the batch is {batch_line(source, shapes)}"]
    notes += [f"the seed drew {line}" for line in drawn_lines(source)]
    return notes + list(shapes.notes if shapes else ())


def _row_lines(rows: int | None, batch_sizes: Sequence[int]) -> list[str]:
    if rows is None:
        return []
    lines = [f"--inputs has {rows} {'item' if rows == 1 else 'items'}, and each batch takes the next ones"]
    if smaller := [size for size in batch_sizes if size < rows]:
        lines.append(f"at batch size {_listed(smaller)} the first items are timed, and the others are only compared")
    if larger := [size for size in batch_sizes if size > rows]:
        lines.append(f"at batch size {_listed(larger)} they are repeated")
    return lines


def _listed(sizes: Sequence[int]) -> str:
    return ", ".join(map(str, sizes))


def _shown(array: NDArray[np.generic]) -> str:
    values = [_worded(value) for value in array.reshape(-1)[:_SHOWN].tolist()]
    return ", ".join(values) + (", ..." if array.size > _SHOWN else "")


def _other(array: NDArray[np.generic]) -> str:
    """Return a value other than the first, as `--values` takes it."""
    if array.dtype.kind == "b":
        return _worded(not array.reshape(-1)[:1].any())
    return "NUMBER"


def _worded(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:.4g}" if isinstance(value, float) else str(value)

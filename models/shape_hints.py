"""Shapes as they are typed, and what could be typed where a dimension is open. Pure functions of data."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from ortbench.models.batch import Batch
from ortbench.models.dimensions import NAMELESS, evaluate, is_nameless, is_no_image
from ortbench.models.spec import BATCH, UNKNOWN_RANK, Dimension, TensorSpec

# What an open dimension may be in a suggestion, where nothing else is known; of images their usual sizes.
_LENGTH = 16
_IMAGE_SIDE, _COLOURS = 224, 3
_IMAGE_RANK = 4
# Grey, with alpha or without: a last dimension of so many is the colours of an image.
_CHANNELS = (1, _COLOURS, 4)


def format_shape(shape: Sequence[Dimension]) -> str:
    """Write a shape as it is typed: `batchx3x224x224`, or `scalar`; nameless dimensions as `?`."""
    return "x".join(NAMELESS if _is_nameless(size) else str(size) for size in shape) if shape else "scalar"


def _is_nameless(size: Dimension) -> bool:
    return isinstance(size, str) and is_nameless(size)


def open_symbols(spec: TensorSpec) -> list[str]:
    """Return the dimensions that are neither known nor the batch."""
    return [size for size in spec.shape if isinstance(size, str) and size != BATCH]


def what_is_open(settled: Sequence[TensorSpec], batch: Batch, batch_size: int) -> str:
    """Say what stays open, with options that can be typed as they stand."""
    spec = next(spec for spec in settled if open_symbols(spec))
    symbols = [NAMELESS if is_nameless(symbol) else symbol for symbol in open_symbols(spec)]
    if spec.shape == (UNKNOWN_RANK,):
        what = f"The model does not tell the shape of the input '{spec.name}'."
    else:
        what = f"Nothing says what {', '.join(symbols)} is in the input '{spec.name}' ({format_shape(spec.shape)})."
    typed = " ".join(f"--input-shape {shlex.quote(one)}" for one in _suggestions(settled, batch, batch_size))
    if axis := _possible_batch(spec, batch):
        batch_too = ",".join([*([] if not batch.places else [batch.label]), f"{spec.name}:{axis}"])
        typed += f" (or --batch-axis {shlex.quote(batch_too)} where that is the batch)"
    return f"{what} Give {typed} with your own numbers, or --inputs FILE.npz."


def _possible_batch(spec: TensorSpec, batch: Batch) -> int | None:
    """Return the only nameless axis of an input that has no batch, in a model that has one elsewhere."""
    nameless = [axis for axis, size in enumerate(spec.shape) if isinstance(size, str) and is_nameless(size)]
    return nameless[0] if batch.places and BATCH not in spec.shape and len(nameless) == 1 and nameless[0] else None


def _suggestions(settled: Sequence[TensorSpec], batch: Batch, batch_size: int) -> list[str]:
    """Return `NAME=SHAPE` for every input that needs it, with plausible numbers, the same for the same name."""
    chosen: dict[str, int] = {}
    typed = []
    for spec in settled:
        if spec.shape == (UNKNOWN_RANK,):
            typed.append(f"{spec.name}=1x{_COLOURS}x{_IMAGE_SIDE}x{_IMAGE_SIDE}")
        elif any(symbol not in chosen and evaluate(symbol, chosen) is None for symbol in open_symbols(spec)):
            own = _possible_batch(spec, batch)
            sizes = [
                batch_size if axis == own else _plausible(spec, axis, batch_size, chosen)
                for axis in range(len(spec.shape))
            ]
            typed.append(f"{spec.name}={'x'.join(map(str, sizes))}")
    return typed


def _plausible(spec: TensorSpec, axis: int, batch_size: int, chosen: dict[str, int]) -> int:
    size = spec.shape[axis]
    if isinstance(size, int):
        return size
    if size == BATCH:
        return batch_size
    known = evaluate(size, chosen)
    return chosen.setdefault(size, _usual(spec, axis) if known is None else known)


def _usual(spec: TensorSpec, axis: int) -> int:
    """Return a size that is usual: of an image, its colours first or last, else a length."""
    names = [size for size in spec.shape if isinstance(size, str)]
    of_images = len(spec.shape) == _IMAGE_RANK and spec.dtype.startswith(("float", "uint8"))
    if axis == 0 or not of_images or any(map(is_no_image, names)):
        return _LENGTH
    return _COLOURS if axis == 1 and spec.shape[-1] not in _CHANNELS else _IMAGE_SIDE

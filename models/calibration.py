"""The data that quantisation is calibrated with: the same for every engine. Pure functions of data."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec

from ortbench.models.files import file_sha256
from ortbench.models.inputs import Arrays, declared_arrays, make_inputs
from ortbench.models.spec import BATCH, ModelSource

CALIBRATION_ITEMS = 8
# Of an item of few numbers, eight would hardly show the range: what lies beyond it is clipped.
_ENOUGH_NUMBERS = 1 << 16
_MOST_ITEMS = 256
# Far from any seed that inputs are made from: accuracy is not to be measured on what was calibrated with.
_SEED_OFFSET = 1_000_003


def calibration_batches(source: ModelSource) -> list[Arrays]:
    """Return at least CALIBRATION_ITEMS items, more of small ones, as batches of one or of what the model fixes.

    Seeded values like the inputs but from other seeds, or the rows of an inputs file, all of them if it has more.

    Raises:
        InputShapeError: a dimension is open, or a type cannot be filled.
    """
    if source.inputs_file is not None:
        rows = max(CALIBRATION_ITEMS, _rows_given(source))
        batch = make_inputs(source, rows)
        return [_row(source, batch, index) for index in range(rows)]
    seeds = (source.seed + _SEED_OFFSET + index for index in range(_items(source)))
    return [make_inputs(msgspec.structs.replace(source, seed=seed), 1) for seed in seeds]


def calibration_identity(source: ModelSource) -> str:
    """Return what makes two calibrations the same."""
    if source.inputs_file is not None:
        return f"sha256:{file_sha256(Path(source.inputs_file))}"
    values = "".join(f", {spec.name}={spec.values}" for spec in source.inputs if spec.values is not None)
    return f"{_items(source)} items of seed {source.seed}{values}"


def _items(source: ModelSource) -> int:
    numbers = [math.prod(1 if size == BATCH else int(size) for size in spec.shape) for spec in source.inputs]
    return min(_MOST_ITEMS, max(CALIBRATION_ITEMS, _ENOUGH_NUMBERS // max(sum(numbers), 1)))


def _rows_given(source: ModelSource) -> int:
    arrays = declared_arrays(Path(source.inputs_file or ""))
    batched = [spec for spec in source.inputs if BATCH in spec.shape and spec.name in arrays]
    return max((arrays[spec.name].shape[spec.shape.index(BATCH)] for spec in batched), default=1)


def _row(source: ModelSource, batch: Arrays, index: int) -> Arrays:
    """Return one item; inputs without a batch dimension as they are."""
    return {
        spec.name: batch[spec.name].take([index], axis=spec.shape.index(BATCH))
        if BATCH in spec.shape
        else batch[spec.name]
        for spec in source.inputs
    }

"""Integers that a model chose: may one differ, because the values that decide tie? Pure functions of arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ortbench.models.file_facts import Choice

# Of integers whose deciding values cannot be had: a fault changes more, as a class of an image or a token of a text.
UNSEEN_SHARE = 1e-3


def wrong_choices(
    choice: Choice,
    output: NDArray[np.generic],
    expected: NDArray[np.generic],
    deciding: NDArray[np.generic],
    tolerance: tuple[float, float],
) -> int | None:
    """Count the chosen positions that differ from the reference's though their values do not tie.

    Args:
        choice: which axis of `deciding` the positions are of.
        output: positions; of each choice one, or the best few (TopK).
        expected: the reference's, of the same shape.
        deciding: the reference's values.
        tolerance: absolute, and relative to the largest deciding value; each of the two values may be off by so much.

    Returns:
        None where the positions do not fit the values, so that nothing can be said.
    """
    axis = choice.axis + deciding.ndim if choice.axis < 0 else choice.axis
    if not 0 <= axis < deciding.ndim or deciding.shape[axis] == 0 or expected.size == 0:
        return None
    values = np.moveaxis(deciding, axis, -1).astype(np.float64)
    rows = values.reshape(-1, values.shape[-1])
    if expected.size % len(rows):
        return None
    best = expected.size // len(rows)
    shape = (*deciding.shape[:axis], best, *deciding.shape[axis + 1 :])
    mine, theirs = (
        np.moveaxis(array.reshape(shape), axis, -1).reshape(-1, best).astype(np.int64) for array in (output, expected)
    )
    if (theirs < 0).any() or (theirs >= rows.shape[-1]).any():
        return None
    inside = (mine >= 0) & (mine < rows.shape[-1])
    chosen = np.take_along_axis(rows, np.where(inside, mine, 0), axis=-1)
    wanted = np.take_along_axis(rows, theirs, axis=-1)
    finite = np.abs(rows[np.isfinite(rows)])
    bound = 2 * (tolerance[0] + tolerance[1] * float(finite.max(initial=0.0)))
    # A position that stands twice has taken another's place.
    twice = np.sort(mine, axis=-1)
    repeated = np.zeros_like(inside)
    repeated[:, 1:] = twice[:, 1:] == twice[:, :-1]
    with np.errstate(invalid="ignore"):
        near = (np.abs(chosen - wanted) <= bound) | (chosen == wanted)
    right = (mine == theirs) | (inside & near)
    return int(np.count_nonzero(~right | repeated))

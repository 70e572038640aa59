"""What the reference's file holds beside its outputs, under names of its own. Pure functions of arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_Arrays = Mapping[str, NDArray[np.generic]]

# Before the name of an output.
DECIDING = "deciding values of "
SPREAD = "spread of "
# Stands in the file where the reference gave other outputs when it was run again.
RANDOM = "differs from run to run"


class Expected(NamedTuple):
    """What an engine's outputs are compared with.

    Attributes:
        outputs: the reference's.
        deciding: the values among which it chose, by the output of chosen positions.
        spreads: standard deviations of outputs over several inputs, by output; only of models that were quantised.
        random: the reference gave other outputs when it was run again.
    """

    outputs: _Arrays
    deciding: _Arrays
    spreads: Mapping[str, float]
    random: bool


def taken_apart(arrays: _Arrays) -> Expected:
    """Return what a file holds."""
    deciding = {name.removeprefix(DECIDING): array for name, array in arrays.items() if name.startswith(DECIDING)}
    spreads = {
        name.removeprefix(SPREAD): float(array.astype(np.float64).max())
        for name, array in arrays.items()
        if name.startswith(SPREAD)
    }
    own = {name: array for name, array in arrays.items() if not name.startswith((DECIDING, SPREAD)) and name != RANDOM}
    return Expected(own, deciding, spreads, RANDOM in arrays)


def as_stored(array: NDArray[np.generic]) -> NDArray[np.generic]:
    """Return an array as a file holds it without code of any kind: text as text, not as objects."""
    return array.astype(np.str_) if array.dtype.kind == "O" else array

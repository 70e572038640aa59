"""Numbers that are no ordinary ones: NaN, infinity, and denormals, which many processors compute slowly. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import numpy as np
from numpy.typing import NDArray


class SpecialValues(msgspec.Struct, frozen=True, kw_only=True):
    """How many there are of each.

    Attributes:
        denormal: numbers other than 0 below the type's smallest normal one (1.2e-38 for fp32).
        tensors: how many were looked through.
        names: the first few tensors that hold any.
    """

    nan: int = 0
    inf: int = 0
    denormal: int = 0
    tensors: int = 0
    names: tuple[str, ...] = ()

    @property
    def any(self) -> bool:
        """Whether there are any."""
        return bool(self.nan or self.inf or self.denormal)

    def __add__(self, other: SpecialValues) -> SpecialValues:
        return SpecialValues(
            nan=self.nan + other.nan,
            inf=self.inf + other.inf,
            denormal=self.denormal + other.denormal,
            tensors=self.tensors + other.tensors,
            names=tuple(dict.fromkeys(self.names + other.names))[:_NAMED],
        )


_NAMED = 3


def count_special_values(name: str, array: NDArray[np.generic]) -> SpecialValues:
    """Count those of one tensor; integers, booleans and text have none."""
    if array.dtype.kind == "c":
        array = np.stack([array.real, array.imag])
    if array.dtype.kind != "f":
        return SpecialValues(tensors=1)
    magnitudes = np.abs(array)
    smallest = np.finfo(array.dtype.name).smallest_normal
    found = SpecialValues(
        nan=int(np.count_nonzero(np.isnan(magnitudes))),
        inf=int(np.count_nonzero(np.isinf(magnitudes))),
        denormal=int(np.count_nonzero((magnitudes > 0) & (magnitudes < smallest))),
        tensors=1,
    )
    return msgspec.structs.replace(found, names=(name,)) if found.any else found


def total(counts: Iterable[SpecialValues]) -> SpecialValues:
    """Add counts up."""
    return sum(counts, start=SpecialValues())


def describe(what: str, found: SpecialValues) -> str | None:
    """Word what was found, e.g. `the weights hold 3 denormals (in 'w'), which ...`; None where nothing was."""
    if not found.any:
        return None
    kinds = (("NaN", found.nan), ("Inf", found.inf), ("denormals", found.denormal))
    listed = ", ".join(f"{count} {kind}" for kind, count in kinds if count)
    names = ", ".join(f"'{name}'" for name in found.names)
    slow = ", which can make every call on them many times slower" if found.denormal else ""
    return f"{what} hold {listed} (first in {names}){slow}"

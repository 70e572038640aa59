from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from ortbench.models.special_values import SpecialValues, count_special_values, describe, total

SMALLEST_NORMAL = float(np.finfo(np.float32).smallest_normal)


@given(npst.arrays(np.float32, st.integers(0, 30), elements=st.floats(width=32)))
def test_every_number_is_counted_as_what_it_is(array: np.ndarray[tuple[int], np.dtype[np.float32]]) -> None:
    found = count_special_values("w", array)
    assert found.nan == sum(bool(np.isnan(x)) for x in array)
    assert found.inf == sum(bool(np.isinf(x)) for x in array)
    assert found.denormal == sum(0 < abs(float(x)) < SMALLEST_NORMAL for x in array)
    assert found.names == (("w",) if found.any else ())


@pytest.mark.parametrize(
    ("dtype", "denormal"), [(np.float16, 1e-5), (np.float32, 1e-40), (np.float64, 1e-310), (np.complex64, 1e-40j)]
)
def test_what_is_a_denormal_depends_on_the_type(dtype: type, denormal: complex) -> None:
    found = count_special_values("w", np.array([0, 1, denormal], dtype))
    assert (found.nan, found.inf, found.denormal) == (0, 0, 1)


@pytest.mark.parametrize("dtype", ["int64", "uint8", "bool", "U3"])
def test_other_types_have_none(dtype: str) -> None:
    assert count_special_values("w", np.ones(3, dtype)) == SpecialValues(tensors=1)


def test_counts_add_up_and_name_the_first_three() -> None:
    arrays = {name: np.array([np.nan, np.inf], np.float32) for name in "abcd"}
    found = total(count_special_values(name, array) for name, array in arrays.items())
    assert found == SpecialValues(nan=4, inf=4, tensors=4, names=("a", "b", "c"))


def test_a_description_says_what_where_and_why_it_matters() -> None:
    assert describe("the weights", SpecialValues(tensors=3)) is None
    found = SpecialValues(nan=1, denormal=7, tensors=3, names=("w", "b"))
    assert describe("the weights", found) == (
        "the weights hold 1 NaN, 7 denormals (first in 'w', 'b'), which can make every call on them many times slower"
    )
    assert describe("x", SpecialValues(inf=2, names=("w",))) == "x hold 2 Inf (first in 'w')"

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from ortbench.models.parity import ABSOLUTE_TOLERANCE, RELATIVE_TOLERANCE, compare_outputs

FLOATS = npst.arrays(np.float32, npst.array_shapes(max_dims=3), elements=st.floats(-1e6, 1e6, width=32))


@given(FLOATS)
def test_an_output_agrees_with_itself(array: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> None:
    parity = compare_outputs({"y": array}, {"y": array}, "torch")
    assert parity.ok
    assert parity.max_abs_error == 0
    assert parity.reason is None


@given(FLOATS, st.floats(1.5, 1e3))
def test_a_difference_beyond_the_tolerance_is_found(
    array: np.ndarray[tuple[int, ...], np.dtype[np.float32]], factor: float
) -> None:
    wanted = array.astype(np.float64)
    bound = ABSOLUTE_TOLERANCE + RELATIVE_TOLERANCE * float(np.abs(wanted).max())
    shifted = wanted.copy()
    shifted.flat[-1] += factor * bound
    assert not compare_outputs({"y": shifted}, {"y": wanted}, "torch").ok
    shifted.flat[-1] = wanted.flat[-1] + bound / 2
    assert compare_outputs({"y": shifted}, {"y": wanted}, "torch").ok


def test_the_reason_gives_the_error_and_the_bound() -> None:
    parity = compare_outputs({"y": np.array([1.5, 100.0])}, {"y": np.array([1.0, 100.0])}, "torch")
    assert parity.reason == "output 'y' differs by 0.5, more than the 0.0101 that fp32 allows"
    assert parity.max_rel_error == pytest.approx(0.005)


@pytest.mark.parametrize(
    ("output", "expected", "ok"),
    [
        ([np.nan, 1], [np.nan, 1], True),
        ([np.inf, 1], [np.inf, 1], True),
        ([np.inf, 1], [-np.inf, 1], False),
        ([0.0, 1], [np.nan, 1], False),
        ([np.nan, 1], [1, 1], False),
        ([1, np.inf], [1, 1], False),
    ],
)
def test_nan_and_infinity_must_stand_in_the_same_places(output: list[float], expected: list[float], ok: bool) -> None:
    assert compare_outputs({"y": np.array(output)}, {"y": np.array(expected)}, "torch").ok is ok


def test_names_and_shapes_must_be_equal() -> None:
    y = np.zeros((2, 3))
    assert compare_outputs({"z": y}, {"y": y}, "torch").reason == "outputs are [z], expected [y]"
    reason = compare_outputs({"y": y.T}, {"y": y}, "torch").reason
    assert reason == "output 'y' has the shape (3, 2), expected (2, 3)"


def test_top1_agreement_is_the_share_of_items_with_the_same_class() -> None:
    expected = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    output = expected.copy()
    output[3] = [1.0, 0.0]
    assert compare_outputs({"y": output}, {"y": expected}, "torch").top1_agreement == 0.75


def test_text_outputs_are_compared_by_value() -> None:
    words = np.array(["a", "b"])
    assert compare_outputs({"y": words}, {"y": words}, "ort").ok
    assert not compare_outputs({"y": words[::-1]}, {"y": words}, "ort").ok

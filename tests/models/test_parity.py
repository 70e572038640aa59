from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from ortbench.models.parity import FP32, Tolerance, compare_outputs

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
    bound = FP32.absolute + FP32.relative * float(np.abs(wanted).max())
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


@pytest.mark.parametrize("dtype", ["int64", "int8", "uint8"])
def test_integers_must_be_equal_however_large_they_are(dtype: str) -> None:
    expected = np.array([100, 1, 2, 3], dtype)
    output = expected.copy()
    assert compare_outputs({"y": output}, {"y": expected}, "ort").ok
    output[0] += 1
    parity = compare_outputs({"y": output}, {"y": expected}, "ort")
    assert (parity.ok, parity.max_abs_error) == (False, 1.0)
    assert parity.reason == "output 'y' differs in 1 of 4 values, by at most 1"


def test_booleans_must_be_equal() -> None:
    assert compare_outputs({"y": np.array([True])}, {"y": np.array([True])}, "ort").ok
    assert not compare_outputs({"y": np.array([True])}, {"y": np.array([False])}, "ort").ok


def test_the_imaginary_part_counts() -> None:
    assert compare_outputs({"y": np.array([1 + 2j])}, {"y": np.array([1 + 2j])}, "ort").ok
    assert compare_outputs({"y": np.array([1 + 2j])}, {"y": np.array([1 + 1j])}, "ort").max_abs_error == 1.0


def test_a_tolerance_may_ask_for_a_cosine() -> None:
    tolerance = Tolerance(absolute=0, relative=4, min_cosine=0.99, lane="int8", source="here")
    y = np.array([1.0, 0.0])
    parity = compare_outputs({"y": np.array([1.0, 1.0])}, {"y": y}, "torch", tolerance)
    assert parity.reason == "output 'y' has the cosine 0.707107, less than the 0.99 that int8 asks for"
    assert parity.tolerance == tolerance
    assert compare_outputs({"y": np.array([5.0, 0.0])}, {"y": y}, "torch", tolerance).ok


@given(st.floats(1e-6, 10), st.floats(0, 1), st.floats(0, 20))
def test_the_tolerance_given_decides(absolute: float, relative: float, error: float) -> None:
    tolerance = Tolerance(absolute=absolute, relative=relative)
    parity = compare_outputs({"y": np.array([error, 4.0])}, {"y": np.array([0.0, 4.0])}, "torch", tolerance)
    assert parity.ok is (error <= absolute + relative * 4.0)


def test_distinct_classes_of_the_reference_are_counted() -> None:
    scores = np.eye(3, dtype=np.float32)[[0, 0, 2]]
    assert compare_outputs({"y": scores}, {"y": scores}, "torch").classes == 2
    assert compare_outputs({"y": scores[:, 0]}, {"y": scores[:, 0]}, "torch").classes is None


def test_unusual_numbers_in_the_outputs_are_counted() -> None:
    y = np.array([np.nan, np.inf, 1e-40, 1.0], np.float32)
    parity = compare_outputs({"y": y}, {"y": y}, "torch")
    assert (parity.ok, parity.nan, parity.inf, parity.denormal) == (True, 1, 1, 1)

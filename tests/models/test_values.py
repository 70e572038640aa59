from __future__ import annotations

import numpy as np
import pytest

from ortbench.errors import InputShapeError, ModelError
from ortbench.models.inputs import make_inputs
from ortbench.models.spec import ModelSource, TensorSpec
from ortbench.models.values import read_filling


def filled(
    dtype: str, values: str | None, shape: tuple[int | str, ...] = ("batch", 500)
) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
    source = ModelSource(name="m", inputs=(TensorSpec("x", shape, dtype, values),))
    array = make_inputs(source, 2)["x"]
    assert array.dtype.kind == "U" if dtype == "str" else array.dtype == dtype
    return np.asarray(array)


@pytest.mark.parametrize(
    ("dtype", "values", "low", "high"),
    [
        ("int64", "16000", 16000, 16000),
        ("int64", "0..30521", 0, 30521),
        ("int8", "-128..127", -128, 127),
        ("uint8", "0..255", 0, 255),
        ("uint64", "18446744073709551615", 2**64 - 1, 2**64 - 1),
        ("int64", "1e3", 1000, 1000),
        ("float32", "0..1", 0, 1),
        ("float16", "-2.5..-0.5", -2.5, -0.5),
        ("float64", "0.25", 0.25, 0.25),
        ("float32", "ones", 1, 1),
        ("int32", "zeros", 0, 0),
        ("bool", "true", 1, 1),
        ("bool", "False", 0, 0),
        ("bool", "0..1", 0, 1),
    ],
)
def test_values_lie_in_their_range_and_fill_it(dtype: str, values: str, low: float, high: float) -> None:
    array = filled(dtype, values)
    assert array.shape == (2, 500)
    assert array.min() >= low
    assert array.max() <= high
    spread = float(array.max()) - float(array.min())
    assert spread > 0.9 * (high - low) if high > low else spread == 0


def test_a_range_of_integers_includes_both_ends() -> None:
    assert set(filled("int64", "3..5").ravel().tolist()) == {3, 4, 5}


def test_normal_is_what_floats_are_anyway() -> None:
    np.testing.assert_array_equal(filled("float32", "normal"), filled("float32", None))


def test_text_is_the_same_everywhere() -> None:
    assert set(filled("str", "grün", ("batch", 1)).ravel().tolist()) == {"grün"}


def test_a_scalar_is_told() -> None:
    assert filled("int64", "16000", ()).shape == ()
    assert filled("int64", "16000", ()) == 16000


@pytest.mark.parametrize(
    ("dtype", "values", "message"),
    [
        (
            "int64",
            "many",
            "Expected --values x= to be a number, a range such as 0..255, true, false, normal, ones or zeros, "
            "but got 'many'.",
        ),
        (
            "int64",
            "",
            "Expected --values x= to be a number, a range such as 0..255, true, false, normal, ones or zeros, "
            "but got ''.",
        ),
        ("int64", "nan", None),
        ("int64", "1..", None),
        ("int64", "normal", "--values x=normal needs an input of floats, but 'x' is int64."),
        ("int64", "0.5", "--values x=0.5 does not suit the input 'x', which is int64."),
        ("uint8", "0..256", "--values x=0..256 does not suit the input 'x', which is uint8."),
        ("uint8", "-1", "--values x=-1 does not suit the input 'x', which is uint8."),
        ("bool", "2", "--values x=2 does not suit the input 'x', which is bool."),
        ("float16", "1e6", "--values x=1e6 does not suit the input 'x', which is float16."),
        ("int64", "5..3", "--values x=5..3: the range ends before it begins."),
        (
            "str",
            None,
            "Input 'x' is text, which cannot be drawn by a seed; give --values x=TEXT for the same text everywhere, or "
            "--inputs FILE.npz.",
        ),
    ],
)
def test_values_that_do_not_suit_are_refused(dtype: str, values: str | None, message: str | None) -> None:
    with pytest.raises(InputShapeError) as caught:
        read_filling("x", dtype, values)
    assert message is None or str(caught.value) == message


def test_a_type_that_numpy_lacks_is_named() -> None:
    with pytest.raises(ModelError) as caught:
        read_filling("x", "bfloat16", "1")
    assert str(caught.value) == "Input 'x' is of type bfloat16, which cannot be filled with seeded values."

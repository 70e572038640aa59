from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ortbench.errors import InputShapeError, ModelError
from ortbench.models.inputs import distinct_inputs, load_inputs_file, make_inputs, resolve_shapes
from ortbench.models.spec import ModelSource, TensorSpec

IMAGE = TensorSpec("image", ("batch", 3, 4, 4))


def source(*inputs: TensorSpec, seed: int = 0, inputs_file: str | None = None) -> ModelSource:
    return ModelSource(name="m", inputs=inputs, seed=seed, inputs_file=inputs_file)


@given(st.integers(1, 9), st.integers(0, 2**31))
def test_the_same_seed_gives_the_same_inputs(batch_size: int, seed: int) -> None:
    first, second = (make_inputs(source(IMAGE, seed=seed), batch_size) for _ in range(2))
    assert first["image"].shape == (batch_size, 3, 4, 4)
    np.testing.assert_array_equal(first["image"], second["image"])


def test_another_seed_gives_other_inputs() -> None:
    assert not np.array_equal(make_inputs(source(IMAGE), 2)["image"], make_inputs(source(IMAGE, seed=1), 2)["image"])


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", "int64", "uint8", "bool"])
def test_every_plain_type_can_be_filled(dtype: str) -> None:
    array = make_inputs(source(TensorSpec("x", ("batch", 50), dtype)), 2)["x"]
    assert array.dtype == dtype
    assert len(np.unique(array)) > 1
    if np.dtype(dtype).kind != "f":
        assert set(np.unique(array).tolist()) <= {0, 1}


@pytest.mark.parametrize("dtype", ["object", "bfloat16"])
def test_a_type_that_cannot_be_filled_is_named(dtype: str) -> None:
    with pytest.raises(ModelError) as caught:
        make_inputs(source(TensorSpec("x", (1,), dtype)), 1)
    assert str(caught.value) == f"Input 'x' is of type {dtype}, which cannot be filled with seeded values."


def test_rows_of_a_file_are_taken_in_order_and_again(tmp_path: Path) -> None:
    rows = np.arange(6, dtype=np.float32).reshape(3, 2)
    np.savez(tmp_path / "in.npz", x=rows)
    made = make_inputs(source(TensorSpec("x", ("batch", 2)), inputs_file=str(tmp_path / "in.npz")), 4)
    np.testing.assert_array_equal(made["x"], rows[[0, 1, 2, 0]])


def test_an_input_without_a_batch_is_taken_whole_from_a_file(tmp_path: Path) -> None:
    np.savez(tmp_path / "in.npz", x=np.ones((3, 2), np.float32))
    made = make_inputs(source(TensorSpec("x", (3, 2)), inputs_file=str(tmp_path / "in.npz")), 7)
    assert made["x"].shape == (3, 2)


def test_a_symbol_that_one_input_settles_is_settled_in_all() -> None:
    inputs = (TensorSpec("a", ("batch", "length")), TensorSpec("b", ("batch", "length", 2)))
    resolved = resolve_shapes(inputs, {"a": (1, 7)}, {})
    assert [spec.shape for spec in resolved] == [("batch", 7), ("batch", 7, 2)]


def test_a_shape_of_unknown_rank_is_taken_whole() -> None:
    assert resolve_shapes((TensorSpec("a", ("...",)),), {"a": (1, 3, 8)}, {})[0].shape == ("batch", 3, 8)


@pytest.mark.parametrize(
    ("inputs", "shapes", "arrays", "message"),
    [
        (
            (TensorSpec("a", ("batch", "length")),),
            {},
            {},
            "Input 'a' has the shape batchxlength, and nothing says what length is. "
            "Give --input-shape a=1xlength or --inputs FILE.npz.",
        ),
        (
            (TensorSpec("a", ("...",)),),
            {},
            {},
            "Input 'a' has the shape ..., and nothing says what ... is. "
            "Give --input-shape a=1x3x224x224 or --inputs FILE.npz.",
        ),
        (
            (IMAGE,),
            {"image": (1, 3, 5, 4)},
            {},
            "--input-shape gives 'image' the shape 1x3x5x4, but the model wants batchx3x4x4.",
        ),
        (
            (IMAGE,),
            {"image": (1, 3, 4)},
            {},
            "--input-shape gives 'image' the shape 1x3x4, but the model wants batchx3x4x4.",
        ),
        ((IMAGE,), {"picture": (1,)}, {}, "--input-shape names 'picture', but the model's inputs are [image]."),
        (
            (IMAGE, TensorSpec("mask", ("batch",))),
            {},
            {"image": np.zeros((1, 3, 4, 4), np.float32)},
            "--inputs lacks [mask]; the model's inputs are [image, mask].",
        ),
        (
            (IMAGE,),
            {},
            {"image": np.zeros((1, 3, 4, 4))},
            "--inputs gives 'image' as float64, but the model wants float32.",
        ),
        (
            (TensorSpec("a", ("batch", "n")), TensorSpec("b", ("batch", "n"))),
            {"a": (1, 2), "b": (1, 3)},
            {},
            "--input-shape gives 'b' the shape 1x3, but the model wants batchx2.",
        ),
    ],
)
def test_shapes_that_do_not_fit_are_refused(
    inputs: tuple[TensorSpec, ...],
    shapes: dict[str, tuple[int, ...]],
    arrays: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.generic]]],
    message: str,
) -> None:
    with pytest.raises(InputShapeError) as caught:
        resolve_shapes(inputs, shapes, arrays)
    assert str(caught.value) == message


def test_a_missing_inputs_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputShapeError) as caught:
        load_inputs_file(tmp_path / "no.npz")
    assert str(caught.value) == f"--inputs '{tmp_path / 'no.npz'}' does not exist."


@pytest.mark.parametrize("content", [b"", b"not an archive", b"PK\x03\x04 torn"])
def test_a_damaged_inputs_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "in.npz").write_bytes(content)
    with pytest.raises(InputShapeError, match=r"is no \.npz file of plain arrays"):
        load_inputs_file(tmp_path / "in.npz")


def test_pickled_objects_are_not_loaded(tmp_path: Path) -> None:
    np.savez(tmp_path / "in.npz", x=np.array([{}], dtype=object))
    with pytest.raises(InputShapeError, match="is no .npz file of plain arrays"):
        load_inputs_file(tmp_path / "in.npz")


def test_a_single_array_is_no_inputs_file(tmp_path: Path) -> None:
    np.save(tmp_path / "in.npy", np.zeros(3))
    with pytest.raises(InputShapeError, match="expected an .npz file of named arrays"):
        load_inputs_file(tmp_path / "in.npy")


def test_each_batch_has_other_values_and_batch_0_those_of_the_seed_alone() -> None:
    batches = [make_inputs(source(IMAGE), 2, index)["image"] for index in range(3)]
    np.testing.assert_array_equal(batches[0], make_inputs(source(IMAGE), 2)["image"])
    assert not any(np.array_equal(batches[0], other) for other in batches[1:])
    assert not np.array_equal(batches[1], batches[2])
    np.testing.assert_array_equal(batches[1], make_inputs(source(IMAGE), 2, 1)["image"])


def test_each_batch_takes_the_next_rows_of_a_file(tmp_path: Path) -> None:
    rows = np.arange(10, dtype=np.float32).reshape(5, 2)
    np.savez(tmp_path / "in.npz", x=rows)
    of_file = source(TensorSpec("x", ("batch", 2)), inputs_file=str(tmp_path / "in.npz"))
    np.testing.assert_array_equal(make_inputs(of_file, 2, 1)["x"], rows[[2, 3]])
    np.testing.assert_array_equal(make_inputs(of_file, 2, 2)["x"], rows[[4, 0]])


@pytest.mark.parametrize(("batch_size", "expected"), [(1, 64), (3, 66), (64, 64), (256, 256)])
def test_as_many_inputs_as_are_wanted_in_whole_batches(batch_size: int, expected: int) -> None:
    assert distinct_inputs(source(IMAGE), batch_size, 64) == expected


def test_a_file_gives_no_more_inputs_than_it_has(tmp_path: Path) -> None:
    np.savez(tmp_path / "in.npz", x=np.zeros((5, 2), np.float32))
    of_file = source(TensorSpec("x", ("batch", 2)), inputs_file=str(tmp_path / "in.npz"))
    assert distinct_inputs(of_file, 2, 64) == 5
    assert distinct_inputs(of_file, 2, 3) == 4

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ortbench.errors import InputShapeError, ModelError
from ortbench.models.inputs import (
    Arrays,
    Part,
    check_arrays,
    distinct_inputs,
    drawn_switches,
    indivisible,
    load_inputs_file,
    make_inputs,
    take_part,
)
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


@pytest.mark.parametrize(
    ("arrays", "values", "message"),
    [
        (
            {"image": np.zeros((1, 3, 4, 4), np.float32)},
            {},
            "--inputs lacks [mask]; the model's inputs are [image, mask].",
        ),
        ({"picture": np.zeros(1)}, {}, "--inputs names 'picture', but the model's inputs are [image, mask]."),
        ({}, {"sr": "1"}, "--values names 'sr', but the model's inputs are [image, mask]."),
        (
            {"image": np.zeros((1, 3, 4, 4)), "mask": np.zeros(1, np.float32)},
            {},
            "--inputs gives 'image' as float64, but the model wants float32.",
        ),
        (
            {"image": np.zeros((1, 3, 4, 4), np.float32), "mask": np.array(["a"])},
            {},
            "--inputs gives 'mask' as str, but the model wants float32.",
        ),
        (
            {"mask": np.zeros(1, np.float32)},
            {"mask": "1", "image": "0"},
            "--values and --inputs both say what 'mask' is; leave one of them out.",
        ),
    ],
)
def test_arrays_and_values_that_do_not_fit_are_refused(
    arrays: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.generic]]], values: dict[str, str], message: str
) -> None:
    with pytest.raises(InputShapeError) as caught:
        check_arrays((IMAGE, TensorSpec("mask", ("batch",))), arrays, values)
    assert str(caught.value) == message


def test_values_fill_what_a_file_leaves_out(tmp_path: Path) -> None:
    np.savez(tmp_path / "in.npz", x=np.zeros((5, 2), np.float32))
    inputs = (TensorSpec("x", ("batch", 2)), TensorSpec("sr", (), "int64", "16000"))
    check_arrays(inputs, load_inputs_file(tmp_path / "in.npz"), {"sr": "16000"})
    of_file = source(*inputs, inputs_file=str(tmp_path / "in.npz"))
    assert make_inputs(of_file, 2)["sr"] == 16000
    assert distinct_inputs(of_file, 2, 64) == 5


def test_bytes_of_a_file_are_text(tmp_path: Path) -> None:
    np.savez(tmp_path / "in.npz", x=np.array(["grün".encode()]))
    assert load_inputs_file(tmp_path / "in.npz")["x"].tolist() == ["grün"]


def test_what_chooses_a_branch_is_the_same_at_every_batch_size_and_in_every_batch() -> None:
    inputs = (TensorSpec("x", ("batch", 3)), TensorSpec("flag", (1,), "bool"), TensorSpec("sr", (), "int64"))
    seen = []
    for seed in range(8):
        of_seed = source(*inputs, seed=seed)
        made = [make_inputs(of_seed, size, index) for size in (1, 4, 16) for index in (0, 1)]
        assert len({(bool(one["flag"][0]), int(one["sr"])) for one in made}) == 1
        drawn = drawn_switches(of_seed)
        assert drawn["flag"][0] == made[0]["flag"][0]
        seen.append(bool(drawn["flag"][0]))
    assert set(seen) == {True, False}


def test_what_was_told_or_belongs_to_items_was_not_drawn_as_a_choice() -> None:
    inputs = (TensorSpec("flag", ("batch",), "bool"), TensorSpec("sr", (), "int64", "8000"), TensorSpec("t", (2,)))
    assert drawn_switches(source(*inputs)) == {}


@pytest.mark.parametrize(
    ("inputs", "outputs", "reason"),
    [
        ([("batch", 3)], [("batch", 2)], None),
        ([("batch", 3)], [("?y_0", 2)], None),
        ([("batch", 3)], [("...",)], None),
        ([("batch", 3)], [("batch", "num_dets"), ()], None),
        ([(4, 3)], [(4, 2)], "the model has no open batch"),
        ([("batch", "batch")], [("batch",)], "the input 'i0' has the batch on two axes"),
        ([("batch", 3)], [("num_dets", 7)], "the output 'o0' (num_detsx7) is not of the batch"),
    ],
)
def test_a_batch_is_divided_only_where_outputs_can_be_joined(
    inputs: list[tuple[int | str, ...]], outputs: list[tuple[int | str, ...]], reason: str | None
) -> None:
    model = ModelSource(
        name="m",
        inputs=tuple(TensorSpec(f"i{number}", shape) for number, shape in enumerate(inputs)),
        outputs=tuple(TensorSpec(f"o{number}", shape) for number, shape in enumerate(outputs)),
    )
    assert indivisible(model) == reason


def test_an_output_with_a_name_of_its_own_is_not_the_batch_whatever_its_length() -> None:
    specs = (TensorSpec("dets", ("num_dets", 3)), TensorSpec("y", ("?y_0", 3)))
    arrays: Arrays = {"dets": np.zeros((4, 3)), "y": np.zeros((4, 3))}
    taken = take_part(arrays, specs, Part(first=0, items=2, of=4))
    assert (taken["dets"].shape, taken["y"].shape) == ((4, 3), (2, 3))


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

from __future__ import annotations

from typing import Any

import pytest

from ortbench.errors import InputShapeError
from ortbench.models.shapes import Given, SettledShapes, settle_shapes
from ortbench.models.spec import TensorSpec

Inputs = dict[str, tuple[int | str, ...]]
VAD: Inputs = {"input": ("?input_0", "?input_1"), "state": (2, "?state_1", 128), "sr": ()}
TOWERS: Inputs = {
    "ids": ("text_batch_size", "sequence_length"),
    "image": ("image_batch_size", 3, 32, 32),
    "mask": ("text_batch_size", "sequence_length"),
}
TEXTS = {"ids": (100, 16), "mask": (100, 16)}
GRU: Inputs = {"x": (10, "batch_size", 32), "h": (1, "batch_size", 32)}
OPEN_GRU: Inputs = {"x": ("steps", "batch_size", 32), "h": (1, "batch_size", 32)}
TIME_FIRST: Inputs = {"x": ("s77", "s27", 8), "h": (1, "s27", 8), "c": (1, "s27", 8)}
DECODER: Inputs = {
    "ids": ("batch_size", "sequence_length"),
    "mask": ("batch_size", "past_sequence_length + sequence_length"),
    "key": ("batch_size", 4, "past_sequence_length", 16),
}


def settle(inputs: Inputs, outputs: Inputs | None = None, **given: Any) -> SettledShapes:
    specs, results = (
        tuple(TensorSpec(name, shape) for name, shape in each.items()) for each in (inputs, outputs or {})
    )
    return settle_shapes(specs, results, Given(**given))


def shapes(settled: SettledShapes) -> list[tuple[int | str, ...]]:
    return [spec.shape for spec in settled.inputs]


def refusal(inputs: Inputs, **given: Any) -> str:
    with pytest.raises(InputShapeError) as caught:
        settle(inputs, **given)
    return str(caught.value)


@pytest.mark.parametrize(
    ("inputs", "given", "expected", "label"),
    [
        # By its name, wherever it stands.
        (GRU, {}, [(10, "batch", 32), (1, "batch", 32)], "batch_size"),
        ({"x": ("T", "N", 8)}, {"shapes": {"x": (5, 1, 8)}}, [(5, "batch", 8)], "N"),
        ({"x": ("bs", 3), "y": ("rows", 3)}, {"shapes": {"y": (7, 3)}}, [("batch", 3), (7, 3)], "bs"),
        ({"x": ("batch", 3), "s": (2, "batch", 8)}, {}, [("batch", 3), (2, "batch", 8)], "batch"),
        ({"x": ("BatchSize", 3)}, {}, [("batch", 3)], "BatchSize"),
        # A word is clearer than a letter, and a letter on a first axis than elsewhere.
        ({"x": ("N", "B")}, {"shapes": {"x": (1, 9)}}, [("batch", 9)], "N"),
        ({"x": ("batch", "N")}, {"shapes": {"x": (1, 9)}}, [("batch", 9)], "batch"),
        # By its place.
        ({"x": ("n_samples", 3)}, {}, [("batch", 3)], "n_samples"),
        ({"x": ("rows", 3), "y": ("rows",)}, {}, [("batch", 3), ("batch",)], "rows"),
        ({"x": ("?x_0", 3, "?x_2", "?x_3")}, {"shapes": {"x": (1, 3, 32, 64)}}, [("batch", 3, 32, 64)], "x:0"),
        ({"x": ("?x_0", 3), "y": ("?y_0", 3)}, {}, [("batch", 3), ("batch", 3)], "x:0,y:0"),
        ({"ids": ("s18", "s41"), "mask": ("s43", "s41")}, {"shapes": {"ids": (1, 7)}}, [("batch", 7)] * 2, "s18,s43"),
        # A nameless first axis follows; one that is given another number does not.
        ({"x": ("batch", 3), "y": ("?y_0", 3)}, {}, [("batch", 3), ("batch", 3)], "batch"),
        ({"x": ("batch", 3), "y": ("?y_0", 3)}, {"shapes": {"y": (100, 3)}}, [("batch", 3), (100, 3)], "batch"),
        # The state follows where its only nameless axis has the batch's number.
        (VAD, {"shapes": {"input": (1, 512), "state": (2, 1, 128)}}, [("batch", 512), (2, "batch", 128), ()], None),
        (VAD, {"arrays": {"input": (4, 512), "state": (2, 4, 128)}}, [("batch", 512), (2, "batch", 128), ()], None),
        (VAD, {"shapes": {"input": (1, 512), "state": (2, 3, 128)}}, [("batch", 512), (2, 3, 128), ()], "input:0"),
        # Two could be meant, and the numbers decide.
        (TOWERS, {"shapes": TEXTS}, [(100, 16), ("batch", 3, 32, 32), (100, 16)], "image_batch_size"),
        (
            TOWERS,
            {"arrays": TEXTS | {"image": (1, 3, 32, 32)}, "batch_sizes": (1,)},
            [(100, 16), ("batch", 3, 32, 32), (100, 16)],
            "image_batch_size",
        ),
        # As it is told.
        (
            TOWERS,
            {"batch_axis": "text_batch_size", "shapes": {"ids": (1, 16), "image": (2, 3, 32, 32)}},
            [("batch", 16), (2, 3, 32, 32), ("batch", 16)],
            "text_batch_size",
        ),
        (
            TOWERS,
            {"batch_axis": "none", "shapes": TEXTS | {"image": (2, 3, 32, 32)}},
            [(100, 16), (2, 3, 32, 32), (100, 16)],
            "none",
        ),
        (
            VAD,
            {"batch_axis": "input:0,state:1", "shapes": {"input": (1, 512)}},
            [("batch", 512), (2, "batch", 128), ()],
            None,
        ),
        ({"x:0": ("a", "b")}, {"batch_axis": "x:0:1", "shapes": {"x:0": (3, 1)}}, [(3, "batch")], "b"),
        # None.
        ({"x": ("sequence_length", 576)}, {"shapes": {"x": (9, 576)}}, [(9, 576)], "none"),
        (
            {"x": ("num_nodes", 4), "e": (2, "num_edges")},
            {"shapes": {"x": (9, 4), "e": (2, 5)}},
            [(9, 4), (2, 5)],
            "none",
        ),
        ({"x": (4, 3)}, {}, [(4, 3)], "none"),
        ({"cloud": ("num_points", 3)}, {"shapes": {"cloud": (9, 3)}}, [(9, 3)], "none"),
        # Lists of dynamic axes get names of their inputs from torch.onnx, and say nothing.
        (
            {"x": ("x_dynamic_axes_1", 3), "y": ("y_dynamic_axes_1", 3)},
            {},
            [("batch", 3), ("batch", 3)],
            "x_dynamic_axes_1,y_dynamic_axes_1",
        ),
        # The time first: by the batch size that was asked for.
        (
            TIME_FIRST,
            {"shapes": {"x": (10, 4, 8)}, "batch_sizes": (4,)},
            [(10, "batch", 8), (1, "batch", 8), (1, "batch", 8)],
            "s27",
        ),
        # Sizes that are not the batch: 0, sums, and what is given for an unknown rank.
        (
            DECODER,
            {"shapes": {"ids": (1, 12), "key": (1, 4, 0, 16)}},
            [("batch", 12), ("batch", 12), ("batch", 4, 0, 16)],
            "batch_size",
        ),
        ({"x": ("...",)}, {"shapes": {"x": (1, 3, 8)}}, [("batch", 3, 8)], "x:0"),
        ({"x": ("N", 3), "s": ("...",)}, {"shapes": {"s": ()}}, [("batch", 3), ()], "N"),
    ],
)
def test_the_batch_is_found(
    inputs: Inputs, given: dict[str, Any], expected: list[tuple[int | str, ...]], label: str | None
) -> None:
    settled = settle(inputs, **given)
    assert shapes(settled) == expected
    assert settled.batch.label == (label or "input:0,state:1")


def test_a_batch_that_is_given_is_the_batch_size() -> None:
    assert settle(OPEN_GRU, shapes={"x": (10, 4, 32), "h": (1, 4, 32)}).given_size == 4
    assert settle(OPEN_GRU, shapes={"x": (10, 4, 32)}, batch_sizes=(1, 4)).given_size == 4
    assert settle(OPEN_GRU, shapes={"x": (10, 1, 32)}).inputs[0].shape == (10, "batch", 32)


def test_a_file_may_hold_more_items_than_a_call_takes() -> None:
    settled = settle({"x": ("N", 3)}, arrays={"x": (16, 3)}, batch_sizes=(1, 4))
    assert (settled.rows, settled.given_size) == (16, None)


def test_a_fixed_first_axis_is_the_batch_only_where_it_is_told() -> None:
    fixed: Inputs = {"x": (4, 3, 8, 8)}
    assert settle(fixed).batch.size is None
    assert settle(fixed, batch_axis="x:0").batch.size == 4
    assert settle(fixed, batch_sizes=(4,)).batch.size == 4
    assert settle(fixed, batch_sizes=(1, 4)).batch.size is None


def test_outputs_have_the_batch_where_its_name_stands() -> None:
    settled = settle(
        TOWERS,
        {"logits": ("image_batch_size", "text_batch_size"), "boxes": ("num_dets", 4), "y": ("?y_0", 2)},
        shapes=TEXTS,
    )
    assert [spec.shape for spec in settled.outputs] == [("batch", 100), ("num_dets", 4), ("?y_0", 2)]


def test_a_name_that_is_not_the_batch_is_kept_apart_from_it() -> None:
    inputs: Inputs = {"x": ("batch", "N")}
    settled = settle(inputs, {"y": ("batch", "N")}, batch_axis="N", shapes={"x": (3, 1)})
    assert settled.inputs[0].shape == (3, "batch")
    assert settled.outputs[0].shape == (3, "batch")
    assert settle({"x": ("N", 2)}, {"y": ("batch", "N")}).outputs[0].shape == ("batch*", "batch")


def test_a_name_for_two_sizes_is_let_pass_and_said() -> None:
    settled = settle({"a": ("N", "k"), "b": ("N", "k")}, shapes={"a": (1, 2), "b": (1, 3)})
    assert shapes(settled) == [("batch", 2), ("batch", 3)]
    assert settled.notes == ("the model's dimension k stands for 2 and 3, which ONNX Runtime lets pass",)


def test_a_batch_for_two_sizes_is_the_one_that_is_asked_for() -> None:
    inputs: Inputs = {"a": ("batch", 2), "b": ("batch", 3)}
    given = {"a": (8, 2), "b": (1, 3)}
    settled = settle(inputs, arrays=given, batch_sizes=(8,))
    assert shapes(settled) == [("batch", 2), (1, 3)]
    assert settled.notes == ("the batch (batch) is fixed at 1 in 'b'",)
    assert refusal(inputs, arrays=given) == (
        "The batch is given as 8 in 'a', 1 in 'b'. Say which of them it is with --batch-axis a:0 or --batch-axis b:0."
    )
    assert shapes(settle(inputs, arrays=given, batch_axis="a:0")) == [("batch", 2), (1, 3)]


@pytest.mark.parametrize(
    ("inputs", "given", "message"),
    [
        (
            TOWERS,
            {},
            "The model's batch cannot be told: it could be [text_batch_size, image_batch_size]. Say which with "
            "--batch-axis text_batch_size, --batch-axis image_batch_size, or --batch-axis none where a call is "
            "one item.",
        ),
        (
            {"x": ("i", 3), "y": ("j", 3)},
            {},
            "The model's batch cannot be told: it could be [i, j]. Say which with --batch-axis i, --batch-axis j, or "
            "--batch-axis none where a call is one item.",
        ),
        (
            {"x": ("N", 3)},
            {"batch_axis": "M"},
            "Expected --batch-axis to be N, INPUT:AXIS or none, but got 'M'; the model's inputs are [x].",
        ),
        (
            {"x": ("N", 3)},
            {"batch_axis": "x:2"},
            "Expected --batch-axis to be N, INPUT:AXIS or none, but got 'x:2'; the model's inputs are [x].",
        ),
        (
            {"x": (4, 3), "y": (2, 3)},
            {"batch_axis": "x:0,y:0"},
            "--batch-axis x:0,y:0: the model fixes these axes at different sizes, [2, 4].",
        ),
        (
            {"x": ("N", "length")},
            {},
            "Nothing says what length is in the input 'x' (batchxlength). Give --input-shape x=1x16 with your own "
            "numbers, or --inputs FILE.npz.",
        ),
        (
            {"x": ("N", "length")},
            {"batch_sizes": (4, 8)},
            "Nothing says what length is in the input 'x' (batchxlength). Give --input-shape x=4x16 with your own "
            "numbers, or --inputs FILE.npz.",
        ),
        (
            {"x": ("?x_0", 3, "?x_2", "?x_3")},
            {},
            "Nothing says what ?, ? is in the input 'x' (batchx3x?x?). Give --input-shape x=1x3x224x224 with your own "
            "numbers, or --inputs FILE.npz.",
        ),
        (
            {"my x": ("N", "length")},
            {},
            "Nothing says what length is in the input 'my x' (batchxlength). Give --input-shape 'my x=1x16' with your "
            "own numbers, or --inputs FILE.npz.",
        ),
        (
            VAD,
            {},
            "Nothing says what ? is in the input 'input' (batchx?). Give --input-shape input=1x16 --input-shape "
            "state=2x1x128 with your own numbers, or --inputs FILE.npz.",
        ),
        (
            VAD,
            {"shapes": {"input": (1, 512)}},
            "Nothing says what ? is in the input 'state' (2x?x128). Give --input-shape state=2x1x128 (or --batch-axis "
            "input:0,state:1 where that is the batch) with your own numbers, or --inputs FILE.npz.",
        ),
        (
            {"x": ("...",)},
            {},
            "The model does not tell the shape of the input 'x'. Give --input-shape x=1x3x224x224 with your own "
            "numbers, or --inputs FILE.npz.",
        ),
        ({"x": ("N", 3)}, {"shapes": {"y": (1,)}}, "--input-shape names 'y', but the model's inputs are [x]."),
        (
            {"x": ("N", 3)},
            {"shapes": {"x": (1, 4)}},
            "--input-shape gives 'x' the shape 1x4, but the model wants Nx3.",
        ),
        ({"x": ("N", 3)}, {"shapes": {"x": (1,)}}, "--input-shape gives 'x' the shape 1, but the model wants Nx3."),
        ({"x": ("N", 3)}, {"shapes": {"x": (0, 3)}}, "The batch (N) is given as 0; a call needs at least one item."),
        ({"x": ("N", 3)}, {"arrays": {"x": (0, 3)}}, "The batch (N) is given as 0; a call needs at least one item."),
        (
            {"x": ("N", "length")},
            {"shapes": {"x": (1, 7)}, "arrays": {"x": (4, 8)}},
            "--input-shape gives axis 1 of 'x' as 7, but in --inputs it is 8. Leave --input-shape out.",
        ),
    ],
)
def test_what_cannot_be_told_or_used_is_refused(inputs: Inputs, given: dict[str, Any], message: str) -> None:
    assert refusal(inputs, **given) == message


def test_a_state_with_the_number_of_another_axis_leaves_the_batch_open() -> None:
    inputs: Inputs = {"x": ("?x_0", "?x_1", 8), "h": (1, "?h_1", 8)}
    assert refusal(inputs, shapes={"x": (10, 4, 8), "h": (1, 4, 8)}) == (
        "The model's batch cannot be told: it could be [x:0 or x:1,h:1], by the numbers given. Say which with "
        "--batch-axis x:0 or --batch-axis x:1,h:1."
    )
    settled = settle(inputs, shapes={"x": (10, 4, 8), "h": (1, 4, 8)}, batch_axis="x:1,h:1")
    assert (shapes(settled), settled.given_size) == ([(10, "batch", 8), (1, "batch", 8)], 4)


@pytest.mark.parametrize(
    ("inputs", "choices"),
    [
        # A dimension of more inputs than the first axis, generated names or not.
        (TIME_FIRST, ["s77", "s27"]),
        ({"x": ("foo", "bar", 8), "h": (1, "bar", 8)}, ["foo", "bar"]),
        ({"x": ("?x_0", "bar", 8), "h": (1, "bar", 8)}, ["x:0", "bar"]),
        # Two generated names within one input are not the same dimension.
        ({"ids": ("s77", "s27"), "positions": ("s27",)}, ["s77", "s27"]),
    ],
)
def test_a_batch_that_only_its_place_tells_is_asked_for(inputs: Inputs, choices: list[str]) -> None:
    given = {
        name: tuple(size if isinstance(size, int) else number for size, number in zip(shape, (10, 4, 8), strict=False))
        for name, shape in inputs.items()
    }
    for numbers in ({}, given):
        message = refusal(inputs, shapes=numbers)
        assert f"it could be [{', '.join(choices)}]. Say which with --batch-axis {choices[0]}, " in message


@pytest.mark.parametrize(
    ("shape", "suggested"),
    [
        (("N", "height", "width", 3), "x=1x224x224x3"),
        (("?x_0", "?x_1", "?x_2", 3), "x=1x224x224x3"),
        (("N", "c", "h", "w"), "x=1x3x224x224"),
        (("batch", 12, "past_sequence_length", 64), "x=1x12x16x64"),
    ],
)
def test_suggested_sizes_are_those_of_an_image_or_of_a_text(shape: tuple[int | str, ...], suggested: str) -> None:
    assert f"Give --input-shape {suggested} with your own numbers" in refusal({"x": shape})


def test_a_dimension_that_goes_with_the_batch_allows_one_batch_size() -> None:
    inputs: Inputs = {"x": ("batch_size*beams", 8), "state": ("batch_size", 8)}
    given = {"x": (8, 8), "state": (2, 8)}
    assert settle(inputs, shapes=given).given_size == 2
    for wrong in ({"shapes": given, "batch_sizes": (1, 2)}, {"shapes": {"x": (8, 8)}}):
        assert refusal(inputs, **wrong).startswith("The dimension batch_size*beams of 'x' depends on the batch")


@pytest.mark.parametrize("inputs", [VAD, OPEN_GRU, DECODER, {"x": ("N", "length")}, {"x": ("?x_0", "?x_1", "h", "w")}])
def test_what_is_suggested_can_be_typed_as_it_stands(inputs: Inputs) -> None:
    message = refusal(inputs)
    typed = [word for word in message.split() if "=" in word]
    given = {name: tuple(map(int, sizes.split("x"))) for name, _, sizes in (word.partition("=") for word in typed)}
    settled = settle(inputs, shapes=given)
    assert settled.given_size == 1

"""Quantised models' outputs: what rounding does agrees, what a fault does not. Both sides, with made-up numbers."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from ortbench.models.agreement import Agreement
from ortbench.models.parity import compare_outputs, tolerance_for
from ortbench.models.reference_file import SPREAD

AS_MADE = tolerance_for("fp32", "int8")
Numbers = NDArray[np.float64]


def outputs(items: int = 64, places: int = 32) -> Numbers:
    return np.asarray(np.random.default_rng(0).standard_normal((items, places)))


def noisy(wanted: Numbers, share: float) -> Numbers:
    noise: Numbers = np.random.default_rng(1).standard_normal(wanted.shape)
    return wanted + share * float(wanted.std()) * noise


def one_batch(actual: Numbers, wanted: Numbers) -> str | None:
    return compare_outputs({"y": actual}, {"y": wanted}, "ort", AS_MADE).reason


def many_batches(actual: Numbers, wanted: Numbers) -> str | None:
    """Compare item by item, as the check of many inputs does at batch size 1."""
    agreement = Agreement("ort", AS_MADE)
    for own, theirs in zip(actual, wanted, strict=True):
        agreement.add({"y": own[None]}, {"y": theirs[None], SPREAD + "y": np.array(wanted.std())})
    return agreement.result().reason


@pytest.mark.parametrize("compare", [one_batch, many_batches])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.2])
def test_noise_as_steps_make_it_agrees(compare: object, share: float) -> None:
    wanted = outputs()
    assert callable(compare)
    assert compare(noisy(wanted, share), wanted) is None


def negated(wanted: Numbers) -> Numbers:
    return np.concatenate([-wanted[:, :1], wanted[:, 1:]], axis=1)


def swapped(wanted: Numbers) -> Numbers:
    return wanted[:, [1, 0, *range(2, wanted.shape[1])]]


def shifted(wanted: Numbers) -> Numbers:
    return wanted + 0.5


def forgotten(wanted: Numbers) -> Numbers:
    return np.concatenate([np.zeros((len(wanted), 1)), wanted[:, 1:]], axis=1)


def scaled(wanted: Numbers) -> Numbers:
    return wanted * 1.5


@pytest.mark.parametrize("compare", [one_batch, many_batches])
@pytest.mark.parametrize("fault", [negated, swapped, shifted, forgotten, scaled])
@pytest.mark.parametrize("share", [0.0, 0.2])
def test_a_fault_does_not_agree_even_among_noise(compare: object, fault: object, share: float) -> None:
    wanted = outputs()
    assert callable(fault)
    assert callable(compare)
    reason = compare(noisy(fault(wanted), share), wanted)
    assert reason
    assert reason.startswith("output 'y' ")


def test_other_inputs_outputs_do_not_agree() -> None:
    wanted = outputs()
    assert many_batches(np.roll(wanted, 1, axis=0), wanted)


def test_a_clear_favourite_is_not_another_one() -> None:
    wanted = 0.2 * outputs(places=8)
    wanted[:, 3] += 1
    actual = wanted.copy()
    # Nearer than any single bound, and for every input the wrong way round.
    actual[:, 3] -= 0.3
    actual[:, 4] += 0.9
    assert many_batches(actual, wanted)


def test_one_number_an_input_is_judged_by_how_much_it_varies_over_inputs() -> None:
    wanted = np.random.default_rng(2).uniform(0.1, 0.9, (64, 1))
    assert many_batches(noisy(wanted, 0.05), wanted) is None
    assert many_batches(1 - wanted, wanted)


def test_quantised_outputs_may_be_some_steps_off_and_longer_integers_may_not() -> None:
    wanted = np.random.default_rng(3).integers(-128, 128, (64, 16)).astype(np.int8)
    near = np.clip(wanted.astype(np.int64) + 2, -128, 127)
    assert compare_outputs({"y": near.astype(np.int8)}, {"y": wanted}, "ort", AS_MADE).ok
    assert not compare_outputs({"y": ~wanted}, {"y": wanted}, "ort", AS_MADE).ok
    assert not compare_outputs({"y": near}, {"y": wanted.astype(np.int64)}, "ort", AS_MADE).ok


@pytest.mark.parametrize(
    ("precision", "made", "lane"),
    [
        ("fp32", "", "fp32"),
        ("fp32", "fp16", "fp16, as made"),
        ("fp32", "bf16", "bf16, as made"),
        ("int8", "fp16", "int8"),
        ("fp32", "int8", "int8, as made"),
        ("int8", "int8", "int8, as made"),
        ("fp32", "int4", "int4, as made"),
    ],
)
def test_the_coarser_of_lane_and_file_is_the_tolerance(precision: str, made: str, lane: str) -> None:
    assert tolerance_for(precision, made).lane == lane  # type: ignore[arg-type]  # of the parameters above

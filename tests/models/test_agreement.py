from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ortbench.models.agreement import Agreement
from ortbench.models.parity import FP32

Scores = np.ndarray[tuple[int, int], np.dtype[np.float32]]


def scores(*classes: int) -> Scores:
    return np.eye(5, dtype=np.float32)[list(classes)]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_the_worst_batch_counts_and_the_first_that_fails_is_named(errors: list[float]) -> None:
    agreement = Agreement("torch", FP32)
    for error in errors:
        agreement.add({"y": np.array([error, 1.0])}, {"y": np.array([0.0, 1.0])})
    result = agreement.result()
    failing = [index for index, error in enumerate(errors) if error > 2e-4]
    assert result.max_abs_error == max(errors)
    assert result.failed_batch == (failing[0] if failing else None)
    assert result.ok is not bool(failing)
    assert (result.reason is None) is not bool(failing)


def test_classes_are_those_of_all_batches_together() -> None:
    agreement = Agreement("torch", FP32)
    for batch in (scores(0, 1), scores(1, 2), scores(0, 0)):
        agreement.add({"y": batch}, {"y": batch})
    assert agreement.result().classes == 3
    assert agreement.batches == 3


def test_top1_agreement_is_over_all_inputs() -> None:
    agreement = Agreement("torch", FP32)
    agreement.add({"y": scores(0, 1)}, {"y": scores(0, 1)})
    agreement.add({"y": scores(0, 1)}, {"y": scores(0, 2)})
    assert agreement.result().top1_agreement == pytest.approx(0.75)


def test_counts_of_unusual_numbers_are_added_up() -> None:
    agreement = Agreement("torch", FP32)
    for _ in range(3):
        agreement.add({"y": np.array([np.nan, 1.0])}, {"y": np.array([np.nan, 1.0])})
    assert agreement.result().nan == 3


def test_outputs_of_another_shape_in_a_later_batch_are_a_failure() -> None:
    agreement = Agreement("torch", FP32)
    agreement.add({"y": np.ones(2)}, {"y": np.ones(2)})
    agreement.add({"y": np.ones(3)}, {"y": np.ones(2)})
    result = agreement.result()
    assert (result.ok, result.failed_batch, result.max_abs_error) == (False, 1, 0.0)

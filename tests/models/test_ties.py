from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from ortbench.models.file_facts import Choice, FileFacts
from ortbench.models.parity import compare_outputs
from ortbench.models.reference_file import DECIDING
from ortbench.models.ties import wrong_choices

# Two rows; in the first the last two values tie.
VALUES = np.array([[0.1, 0.5, 0.5 - 1e-7], [0.9, 0.2, 0.1]])
CHOICE = Choice(output="y", deciding="v", axis=1)
TOLERANCE = (1e-5, 1e-5)


def whole(*numbers: object) -> NDArray[np.int64]:
    return np.array(numbers, np.int64)


@pytest.mark.parametrize(
    ("output", "wrong"),
    [(whole(1, 0), 0), (whole(2, 0), 0), (whole(0, 0), 1), (whole(2, 1), 1), (whole(7, 0), 1), (whole(-1, 0), 1)],
)
def test_a_choice_may_differ_where_the_values_tie(output: NDArray[np.int64], wrong: int) -> None:
    assert wrong_choices(CHOICE, output, whole(1, 0), VALUES, TOLERANCE) == wrong


def test_the_axis_of_the_values_is_the_one_that_was_chosen_along() -> None:
    choice = Choice(output="y", deciding="v", axis=-2)
    assert wrong_choices(choice, whole(2, 0), whole(1, 0), VALUES.T.copy(), TOLERANCE) == 0
    assert wrong_choices(choice, whole(0, 0), whole(1, 0), VALUES.T.copy(), TOLERANCE) == 1


@pytest.mark.parametrize(
    ("output", "wrong"), [([[2, 1], [0, 1]], 0), ([[1, 1], [0, 1]], 1), ([[1, 0], [0, 1]], 1), ([[1, 2], [1, 0]], 2)]
)
def test_the_best_few_may_change_places_where_they_tie_and_none_may_stand_twice(
    output: list[list[int]], wrong: int
) -> None:
    assert wrong_choices(CHOICE, whole(*output), whole([1, 2], [0, 1]), VALUES, TOLERANCE) == wrong


def test_nothing_is_said_where_positions_do_not_fit_the_values() -> None:
    assert wrong_choices(CHOICE, whole(1, 0, 0), whole(1, 0, 1), VALUES, TOLERANCE) is None
    assert wrong_choices(CHOICE, whole(1, 0), whole(9, 0), VALUES, TOLERANCE) is None


FACTS = FileFacts(choices=(CHOICE,), decided=("mask",))


def test_ties_are_told_as_a_share_and_other_differences_fail() -> None:
    expected = {"y": whole(1, 0), DECIDING + "y": VALUES}
    tied = compare_outputs({"y": whole(2, 0)}, expected, "ort", facts=FACTS)
    assert (tied.ok, tied.ties) == (True, 0.5)
    wrong = compare_outputs({"y": whole(2, 2)}, expected, "ort", facts=FACTS)
    assert (wrong.ok, wrong.reason) == (False, "output 'y' differs in 1 of 2 values, by at most 2")


@pytest.mark.parametrize(("wrong", "ok"), [(0, True), (1, True), (10, True), (11, False), (5000, False)])
def test_where_nothing_tells_what_decided_a_small_share_may_differ(wrong: int, ok: bool) -> None:
    wanted = np.zeros((100, 100), np.bool_)
    actual = wanted.copy()
    actual.ravel()[:wrong] = True
    parity = compare_outputs({"mask": actual}, {"mask": wanted}, "ort", facts=FACTS)
    assert parity.ok is ok
    assert parity.unseen == (wrong / 10_000 or None)


def test_integers_that_nothing_chose_are_equal_or_wrong() -> None:
    wanted = np.zeros(100_000, np.int64)
    actual = wanted.copy()
    actual[0] = 1
    assert not compare_outputs({"ids": actual}, {"ids": wanted}, "ort", facts=FACTS).ok

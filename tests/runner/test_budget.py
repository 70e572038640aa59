from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ortbench.runner.budget import (
    MAX_LAUNCHES,
    CellCost,
    allot_launch,
    expected_cell_cost,
    first_launch_seconds,
    min_rounds,
)

COSTS = st.dictionaries(
    st.sampled_from(["b1", "b4", "b16", "b64"]),
    st.builds(CellCost, st.floats(0.01, 30), st.floats(0.001, 60)),
    min_size=1,
)


@given(st.floats(0, 3600), st.integers(1, 20), st.floats(0.1, 60), COSTS)
def test_a_launch_never_costs_more_than_there_is_left(
    remaining: float, done: int, start: float, costs: dict[str, CellCost]
) -> None:
    allotted = allot_launch(remaining, done, start, costs)
    if allotted:
        total = start + sum(costs[cell].prepare_s + seconds for cell, seconds in allotted.items())
        assert total <= remaining * (1 + 1e-9) + 1e-6


@given(st.floats(0, 3600), st.integers(1, 20), st.floats(0.1, 60), COSTS)
def test_every_cell_of_a_launch_gets_its_fewest_rounds(
    remaining: float, done: int, start: float, costs: dict[str, CellCost]
) -> None:
    for cell, seconds in allot_launch(remaining, done, start, costs).items():
        assert seconds >= min_rounds(costs[cell].round_s) * costs[cell].round_s * (1 - 1e-9) - 1e-9


def test_cells_that_no_longer_fit_are_left_out_dearest_first() -> None:
    costs = {"b1": CellCost(1, 0.2), "b16": CellCost(5, 3), "b256": CellCost(60, 40)}
    assert set(allot_launch(30, 1, 5, costs)) == {"b1", "b16"}
    assert set(allot_launch(8, 1, 5, costs)) == {"b1"}
    assert allot_launch(5, 1, 5, costs) == {}


def test_launches_end_at_the_maximum() -> None:
    assert allot_launch(1e6, MAX_LAUNCHES, 1, {"b1": CellCost(0.1, 0.1)}) == {}


def test_time_is_shared_among_the_launches_that_are_left() -> None:
    # 11 launches of 100 s are left; each has 10 s of overhead.
    allotted = allot_launch(1100, 1, 5, {"b1": CellCost(5, 0.1)})
    assert allotted == {"b1": pytest.approx(90)}


@pytest.mark.parametrize(("round_s", "rounds"), [(0.1, 3), (5, 3), (5.1, 1), (60, 1)])
def test_a_very_long_round_is_run_once(round_s: float, rounds: int) -> None:
    assert min_rounds(round_s) == rounds


def test_the_first_launch_takes_a_tenth() -> None:
    assert first_launch_seconds(300, 3) == pytest.approx(10)


def test_the_cost_of_a_cell_is_scaled_from_the_largest_batch_seen() -> None:
    known = [(4, CellCost(2, 1)), (16, CellCost(8, 4))]
    assert expected_cell_cost(64, known) == CellCost(32, 16)
    assert expected_cell_cost(64, []) is None

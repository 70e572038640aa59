from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ortbench.runner.budget import (
    LAUNCHES_BEFORE_STOPPING,
    CellCost,
    CellState,
    GroupState,
    expected_cell_cost,
    first_launch_seconds,
    measured_per_overhead,
    min_rounds,
    next_launch,
)

COSTS = st.builds(CellCost, st.floats(0.01, 30), st.floats(0.001, 60))
EXCESSES = st.one_of(st.floats(0, 50), st.just(math.inf))
CELLS = st.lists(
    st.builds(CellState, st.just("b"), COSTS, st.integers(1, 30), EXCESSES, st.integers(1, 500), st.booleans()),
    min_size=1,
    max_size=4,
)


@st.composite
def group_states(draw: st.DrawFn) -> list[GroupState]:
    groups = []
    for index in range(draw(st.integers(1, 3))):
        cells = draw(CELLS)
        named = tuple(replace(cell, id=f"b{place}-g{index}") for place, cell in enumerate(cells))
        groups.append(GroupState(index, draw(st.floats(0.1, 60)), named))
    return groups


def cell(
    name: str = "b1",
    launches: int = 1,
    excess: float = 3.0,
    cost: tuple[float, float] = (1, 0.1),
    *,
    hopeful: bool = False,
) -> CellState:
    return CellState(name, CellCost(*cost), launches, excess, rounds=10, hopeful=hopeful)


def group(*cells: CellState, index: int = 0, start_s: float = 1.0) -> GroupState:
    return GroupState(index, start_s, cells)


@given(group_states(), st.floats(0, 3600))
def test_a_launch_never_costs_more_than_there_is_left(groups: list[GroupState], remaining: float) -> None:
    planned = next_launch(groups, remaining, 3600)
    if planned:
        chosen = groups[planned.group]
        costs = {state.id: state.cost for state in chosen.cells}
        total = chosen.start_s + sum(costs[name].prepare_s + s for name, s in planned.seconds.items())
        assert total <= remaining * (1 + 1e-9) + 1e-6


@given(group_states(), st.floats(0, 3600))
def test_only_cells_that_want_more_are_measured_and_each_gets_its_fewest_rounds(
    groups: list[GroupState], remaining: float
) -> None:
    planned = next_launch(groups, remaining, 3600)
    if planned:
        states = {state.id: state for state in groups[planned.group].cells}
        for name, seconds in planned.seconds.items():
            assert not states[name].done
            assert seconds >= states[name].cost.least_rounds_s * (1 - 1e-9)


def test_a_study_ends_when_every_target_is_met_after_enough_launches() -> None:
    assert next_launch([group(cell(launches=6, excess=1.0))], 100, 300) is None
    assert next_launch([group(cell(launches=5, excess=0.5))], 100, 300) is not None
    assert next_launch([group(cell(launches=6, excess=1.01))], 100, 300) is not None


def test_a_cell_in_which_nothing_is_compared_ends_after_enough_launches() -> None:
    assert next_launch([group(cell(launches=LAUNCHES_BEFORE_STOPPING, excess=0.0))], 100, 300) is None


def test_every_group_gets_its_launches_before_the_widest_interval_gets_more() -> None:
    narrow = group(cell("a", launches=2, excess=1.5), index=0)
    wide = group(cell("b", launches=9, excess=40.0), index=1)
    planned = next_launch([narrow, wide], 200, 300)
    assert planned is not None
    assert planned.group == 0


def test_then_the_time_goes_to_the_widest_interval() -> None:
    groups = [group(cell(f"b{i}", launches=8, excess=excess), index=i) for i, excess in enumerate((2.0, 7.0, 3.0))]
    planned = next_launch(groups, 200, 300)
    assert planned is not None
    assert planned.group == 1


def test_within_a_launch_the_wider_interval_gets_more_and_a_finished_cell_nothing() -> None:
    cells = (cell("a", 6, 1.5), cell("b", 6, 6.0), cell("c", 6, 0.9))
    planned = next_launch([group(*cells)], 200, 300)
    assert planned is not None
    assert set(planned.seconds) == {"a", "b"}
    assert planned.seconds["b"] > 2 * planned.seconds["a"]


def test_a_cell_that_asks_for_more_rounds_has_longer_launches() -> None:
    few, many = (next_launch([group(replace(cell(launches=12), rounds=rounds))], 1000, 60) for rounds in (1, 500))
    assert few is not None
    assert many is not None
    # One and five hundred rounds of a tenth of a second each.
    assert few.seconds["b1"] < 10
    assert many.seconds["b1"] >= 50


def test_cells_that_no_longer_fit_are_left_out_dearest_first() -> None:
    cells = (cell("b1", cost=(1, 0.2)), cell("b16", cost=(5, 3)), cell("b256", cost=(60, 40)))
    planned = next_launch([group(*cells, start_s=5)], 30, 300)
    assert planned is not None
    assert set(planned.seconds) == {"b1", "b16"}
    assert next_launch([group(*cells, start_s=5)], 5, 300) is None


def test_a_group_that_no_longer_fits_leaves_the_time_to_the_next() -> None:
    dear = group(cell("a", cost=(60, 40)), index=0)
    cheap = group(cell("b", cost=(1, 0.1), excess=1.5), index=1)
    planned = next_launch([dear, cheap], 20, 300)
    assert planned is not None
    assert planned.group == 1


def test_a_longer_study_measures_more_for_each_second_of_overhead() -> None:
    ratios = [measured_per_overhead(seconds) for seconds in (10, 60, 150, 300, 600, 1200, 7200)]
    assert ratios == sorted(ratios)
    # 65 % of five minutes and 85 % of twenty are to be spent inside calls.
    assert ratios[3] / (1 + ratios[3]) > 0.65
    assert ratios[5] / (1 + ratios[5]) > 0.85


@pytest.mark.parametrize(("round_s", "rounds"), [(0.1, 3), (5, 3), (5.1, 1), (60, 1)])
def test_a_very_long_round_is_run_once(round_s: float, rounds: int) -> None:
    assert min_rounds(round_s) == rounds


def test_the_first_launch_takes_a_tenth() -> None:
    assert first_launch_seconds(300, 3) == pytest.approx(10)


def test_the_cost_of_a_cell_is_scaled_from_the_largest_batch_seen() -> None:
    known = [(4, CellCost(2, 1)), (16, CellCost(8, 4))]
    assert expected_cell_cost(64, known) == CellCost(32, 16)
    # Ten seconds of compiling do not become forty: only the calls do.
    assert expected_cell_cost(4, [(1, CellCost(10.4, 0.1))]) == CellCost(11.6, 0.4)
    assert expected_cell_cost(64, []) is None


def test_where_the_variances_promise_the_target_launches_are_as_short_as_these_allow() -> None:
    hopeful = group(cell("a", hopeful=True), cell("b", cost=(1, 0.5), hopeful=True))
    planned = next_launch([hopeful], 290, 300)
    assert planned is not None
    assert planned.seconds == pytest.approx({"a": 1.0, "b": 5.0})
    # Where one cell does not, the time will all be used, and most of it is to be spent measuring.
    planned = next_launch([group(cell("a", hopeful=True), cell("b", cost=(1, 0.5)))], 290, 300)
    assert planned is not None
    assert sum(planned.seconds.values()) > 2.3 * 3


def test_five_launches_more_of_what_is_hopeful_fit_into_the_time_or_have_the_fewest_rounds() -> None:
    planned = next_launch([group(cell("a", cost=(1, 0.5), hopeful=True))], 20, 300)
    assert planned is not None
    assert planned.seconds == pytest.approx({"a": 20 / 5 - 2})
    planned = next_launch([group(cell("a", cost=(1, 0.5), hopeful=True))], 6, 300)
    assert planned is not None
    assert planned.seconds == pytest.approx({"a": 1.5})


def duration(excess: dict[int, float], *, hopeful: bool, max_time_s: float = 300.0) -> tuple[int, float]:
    """Return launches and seconds of a study of three engines like the default one."""
    costs = {"b1": (1.5, 0.25), "b4": (2.5, 1.0), "b16": (6.5, 4.2)}
    launches, spent = 1, 15 + first_launch_seconds(max_time_s, 3) * 3
    while True:
        states = [cell(name, launches, excess.get(launches, 9.0), cost) for name, cost in costs.items()]
        states = [replace(state, hopeful=hopeful and launches < LAUNCHES_BEFORE_STOPPING) for state in states]
        planned = next_launch([group(*states, start_s=4.3)], max_time_s - spent, max_time_s)
        if planned is None:
            return launches, spent
        launches, spent = launches + 1, spent + 4.3 + 10.5 + sum(planned.seconds.values())


def test_a_study_on_a_quiet_machine_ends_long_before_its_time_is_over() -> None:
    launches, seconds = duration({6: 0.9}, hopeful=True)
    assert launches == LAUNCHES_BEFORE_STOPPING
    assert seconds <= 300
    launches, seconds = duration({6: 0.9}, hopeful=True, max_time_s=1200)
    assert launches == LAUNCHES_BEFORE_STOPPING
    assert seconds < 600


def test_a_study_without_hope_spends_its_time_measuring() -> None:
    launches, seconds = duration({}, hopeful=False)
    assert 285 <= seconds <= 300
    assert (seconds - launches * 14.8) / seconds > 0.7


def test_cells_that_no_longer_fit_hold_nobody_up() -> None:
    # The first group's dear cell has two launches and will get no third; its cheap one has as many as it needs.
    first = group(cell("b64", 2, 9.0, (60, 40)), cell("b1", 7, 1.5), index=0)
    second = group(cell("b1-t1", 3, 1.2), index=1)
    planned = next_launch([first, second], 30, 300)
    assert planned is not None
    assert planned.group == 1

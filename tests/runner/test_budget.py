from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ortbench.runner.budget import (
    LAUNCHES_BEFORE_STOPPING,
    CellState,
    GroupState,
    best_length_s,
    first_launch_seconds,
    next_launch,
    plan_group,
    share_rounds,
)
from ortbench.runner.costs import CellCost
from ortbench.runner.expectation import Scatter

COSTS = st.builds(CellCost, st.floats(0.01, 30), st.floats(0.001, 60))
EXCESSES = st.one_of(st.floats(0, 50), st.just(math.inf))
SCATTERS = st.builds(Scatter, st.floats(1e-6, 0.01), st.floats(0, 0.01))
ROUNDS = st.lists(st.integers(1, 300), max_size=14).map(tuple)
CELLS = st.lists(
    st.builds(CellState, st.just("b"), COSTS, st.integers(1, 30), EXCESSES, ROUNDS, SCATTERS),
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
    scatter: tuple[float, float] = (0.007, 0.05),
) -> CellState:
    """Return a cell; `scatter` is two standard deviations, between launches and within."""
    variances = Scatter(scatter[0] ** 2, scatter[1] ** 2)
    return CellState(name, CellCost(*cost), launches, excess, rounds=(10,) * launches, scatter=variances)


def group(*cells: CellState, index: int = 0, start_s: float = 1.0) -> GroupState:
    return GroupState(index, start_s, cells)


@given(group_states(), st.floats(0, 3600))
def test_a_launch_never_costs_more_than_there_is_left(groups: list[GroupState], remaining: float) -> None:
    planned = next_launch(groups, remaining)
    if planned:
        chosen = groups[planned.group]
        costs = {state.id: state.cost for state in chosen.cells}
        total = chosen.start_s + sum(costs[name].prepare_s + s for name, s in planned.seconds.items())
        assert total <= remaining * (1 + 1e-9) + 1e-6


@given(group_states(), st.floats(0, 3600))
def test_only_cells_that_want_more_are_measured_and_each_gets_its_fewest_rounds(
    groups: list[GroupState], remaining: float
) -> None:
    planned = next_launch(groups, remaining)
    if planned:
        states = {state.id: state for state in groups[planned.group].cells}
        for name, seconds in planned.seconds.items():
            assert not states[name].done
            cost = states[name].cost
            # One launch gives no interval, so that a second one of a single round is better than none.
            least_s = cost.least_rounds_s if states[name].launches > 1 else cost.round_s
            assert seconds >= least_s * (1 - 1e-9)


def test_a_second_launch_of_one_round_is_better_than_no_interval() -> None:
    # Making it ready takes a second, its three rounds another 1.5.
    once, twice = (cell(launches=launches, cost=(1, 0.5)) for launches in (1, 2))
    planned = next_launch([group(once)], 3.0)
    assert planned is not None
    assert 0.5 <= planned.seconds["b1"] <= 1.0
    assert next_launch([group(twice)], 3.0) is None
    assert next_launch([group(once)], 2.4) is None
    assert next_launch([group(once)], 4.0) is not None


def test_a_study_ends_when_every_target_is_met_after_enough_launches() -> None:
    assert next_launch([group(cell(launches=8, excess=1.0))], 100) is None
    assert next_launch([group(cell(launches=7, excess=0.5))], 100) is not None
    assert next_launch([group(cell(launches=8, excess=1.01))], 100) is not None


def test_a_cell_in_which_nothing_is_compared_ends_after_enough_launches() -> None:
    assert next_launch([group(cell(launches=LAUNCHES_BEFORE_STOPPING, excess=0.0))], 100) is None


def test_every_group_gets_its_launches_before_the_widest_interval_gets_more() -> None:
    narrow = group(cell("a", launches=2, excess=1.5), index=0)
    wide = group(cell("b", launches=9, excess=40.0), index=1)
    planned = next_launch([narrow, wide], 200)
    assert planned is not None
    assert planned.group == 0


def test_then_the_time_goes_to_the_widest_interval() -> None:
    groups = [group(cell(f"b{i}", launches=8, excess=excess), index=i) for i, excess in enumerate((2.0, 7.0, 3.0))]
    planned = next_launch(groups, 200)
    assert planned is not None
    assert planned.group == 1


def test_within_a_launch_the_wider_interval_gets_more_and_a_finished_cell_nothing() -> None:
    noisy, quiet = (0.007, 0.2), (0.007, 0.1)
    cells = (cell("a", 8, 1.5, scatter=quiet), cell("b", 8, 6.0, scatter=noisy), cell("c", 8, 0.9))
    planned = next_launch([group(*cells)], 200)
    assert planned is not None
    assert set(planned.seconds) == {"a", "b"}
    assert planned.seconds["b"] > 2 * planned.seconds["a"]


def test_a_cell_whose_rounds_are_noisy_has_longer_launches_and_one_whose_launches_differ_shorter_ones() -> None:
    lengths = []
    for scatter in ((0.03, 0.01), (0.007, 0.05), (0.002, 0.2)):
        state = replace(cell(excess=30, scatter=scatter), target=0.0001)
        planned = next_launch([group(state, start_s=20)], 900)
        assert planned is not None
        lengths.append(planned.seconds["b1"])
    assert lengths == sorted(lengths)
    assert lengths[2] > 1.3 * lengths[0]


def test_cells_that_no_longer_fit_are_left_out_dearest_first() -> None:
    cells = (cell("b1", cost=(1, 0.2)), cell("b16", cost=(5, 3)), cell("b256", cost=(60, 40)))
    planned = next_launch([group(*cells, start_s=5)], 30)
    assert planned is not None
    assert set(planned.seconds) == {"b1", "b16"}
    assert next_launch([group(*cells, start_s=5)], 5) is None


def test_what_has_no_interval_yet_comes_first_and_what_is_compared_with_nothing_last() -> None:
    """Batch size 1 has the twin and so costs more; cheapest first, the only speedup stayed without an interval."""
    compared = cell("b1", excess=math.inf, cost=(2, 0.2))
    alone = cell("b8", excess=0.0, cost=(1, 0.1))
    known = cell("b16", launches=3, excess=2.0, cost=(1, 0.1))
    planned = next_launch([group(alone, known, compared, start_s=1)], 4)
    assert planned is not None
    assert set(planned.seconds) == {"b1"}
    planned = next_launch([group(alone, known, compared, start_s=1)], 5.2)
    assert planned is not None
    assert set(planned.seconds) == {"b1", "b16"}


def test_a_group_that_no_longer_fits_leaves_the_time_to_the_next() -> None:
    dear = group(cell("a", cost=(60, 40)), index=0)
    cheap = group(cell("b", cost=(1, 0.1), excess=1.5), index=1)
    planned = next_launch([dear, cheap], 20)
    assert planned is not None
    assert planned.group == 1


def test_the_first_launch_takes_a_tenth() -> None:
    assert first_launch_seconds(300, 3) == pytest.approx(10)


@pytest.mark.parametrize("between", [0.007, 0.02, 0.05])
@pytest.mark.parametrize("within", [0.02, 0.05])
def test_a_study_that_will_not_meet_its_target_has_seven_launches_or_more_of_five_minutes(
    between: float, within: float
) -> None:
    """Starting takes 13 s and a round of all cells 2.6 s; four to six launches gave wider intervals."""
    state, left_s, launches = cell(excess=30, cost=(0, 2.6), scatter=(between, within)), 270.0, 1
    state = replace(state, target=0.001, rounds=(10,))
    while planned := next_launch([group(state, start_s=13)], left_s):
        seconds = planned.seconds["b1"]
        left_s, launches = left_s - 13 - seconds, launches + 1
        state = replace(state, launches=launches, rounds=(*state.rounds, round(seconds / 2.6)))
    assert 7 <= launches <= 14
    assert left_s < 13 + 3 * 2.6


def test_a_study_never_ends_where_another_launch_fits_and_there_is_no_interval() -> None:
    """Of 50 s the first launch took 24, 14 of them for compiling, which the second finds done."""
    first = replace(cell(cost=(16, 0.5)), cost=CellCost(16, 0.5, once_s=14), excess=math.inf)
    planned = next_launch([group(first, start_s=8)], 20)
    assert planned is not None
    assert planned.seconds["b1"] == pytest.approx(20 - 8 - 2)
    assert next_launch([group(replace(first, cost=CellCost(16, 0.5)), start_s=8)], 20) is None


def test_where_the_variances_promise_the_target_the_soonest_way_to_it_is_taken() -> None:
    quiet = cell("a", scatter=(0.004, 0.01))
    planned = next_launch([group(quiet, cell("b", cost=(1, 0.5), scatter=(0.004, 0.01)))], 290)
    assert planned is not None
    assert planned.seconds == pytest.approx({"a": 0.3, "b": 1.5})
    # Where one cell does not promise it the time will all be used.
    loud = cell("b", cost=(1, 0.5), scatter=(0.03, 0.05))
    planned = next_launch([group(quiet, loud)], 290)
    assert planned is not None
    assert planned.seconds["b"] > 1.5
    # Under a load the tail wants all there is.
    planned = next_launch([group(replace(quiet, to_the_end=True))], 290)
    assert planned is not None
    assert planned.seconds["a"] > 3


@given(st.floats(0.1, 1000), st.lists(st.tuples(st.floats(0, 50), st.floats(0.001, 5)), min_size=1, max_size=6))
def test_rounds_are_shared_by_weight_and_nobody_gets_less_than_the_least(
    spare_s: float, cells: list[tuple[float, float]]
) -> None:
    least_s, weights = [least for least, _ in cells], [weight for _, weight in cells]
    total_s = sum(least_s) + spare_s
    given_s = share_rounds(total_s, least_s, weights)
    assert sum(given_s) == pytest.approx(total_s)
    assert all(own >= least * (1 - 1e-9) for own, least in zip(given_s, least_s, strict=True))
    above = [own / weight for own, least, weight in zip(given_s, least_s, weights, strict=True) if own > least * 1.001]
    assert above == pytest.approx([above[0]] * len(above))


def test_no_other_number_of_launches_promises_a_narrower_interval() -> None:
    state = replace(cell(excess=30, scatter=(0.01, 0.05)), target=0.001)
    chosen = plan_group(group(state, start_s=13), 280, 280)["b1"]
    best = state.expected_excess(round(280 / (14 + chosen)), chosen)
    for launches in range(1, 18):
        assert state.expected_excess(launches, 280 / launches - 14) >= best * (1 - 1e-9)


def test_launches_of_which_nothing_is_known_are_as_long_as_makes_the_narrowest_interval() -> None:
    assert 5 <= round(290 / best_length_s(290, 13, [(3, 1)], 1)) <= 13
    # One that just fits is run.
    assert best_length_s(20, 16, [(3, 1)], 1) == pytest.approx(20)


def duration(scatter: tuple[float, float], max_time_s: float) -> tuple[int, float]:
    """Return launches and seconds of a study of three engines like the default one, whose intervals are as expected."""
    costs = {"b1": (1.5, 0.25), "b4": (2.5, 1.0), "b16": (6.5, 4.2)}
    states = [cell(name, 1, 9.0, cost, scatter) for name, cost in costs.items()]
    spent = 15 + first_launch_seconds(max_time_s, 3) * 3
    while planned := next_launch([group(*states, start_s=4.3)], max_time_s - spent):
        spent += 4.3 + sum(state.cost.prepare_s + planned.seconds.get(state.id, 0.0) for state in states)
        grown = [
            replace(state, launches=state.launches + 1, rounds=(*state.rounds, max(1, round(seconds / own[1]))))
            for state, own in zip(states, costs.values(), strict=True)
            if (seconds := planned.seconds.get(state.id, 0.0))
        ]
        states = [replace(state, excess=state.expected_excess(0, 0.0)) for state in grown]
    return states[0].launches, spent


def test_a_study_on_a_quiet_machine_ends_long_before_its_time_is_over() -> None:
    for max_time_s, most_s in ((300, 280), (1200, 400)):
        launches, seconds = duration((0.005, 0.01), max_time_s)
        assert launches == LAUNCHES_BEFORE_STOPPING
        assert seconds < most_s


def test_a_study_without_hope_uses_its_time() -> None:
    launches, seconds = duration((0.05, 0.1), 300)
    assert 270 <= seconds <= 300
    assert launches >= 7


def test_cells_that_no_longer_fit_hold_nobody_up() -> None:
    # The first group's dear cell has two launches and will get no third; its cheap one has as many as it needs.
    first = group(cell("b64", 2, 9.0, (60, 40)), cell("b1", 7, 1.5), index=0)
    second = group(cell("b1-t1", 3, 1.2), index=1)
    planned = next_launch([first, second], 30)
    assert planned is not None
    assert planned.group == 1

"""What a batch size that was never measured will cost, by the calls of those that were."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ortbench.results.schema import ArmKey, CellKey, LaunchRecord, PlannedCell, RoundRecord
from ortbench.runner.cell_costs import CellCosts, compiling_s
from ortbench.runner.costs import ArmCost, CellCost, expected_call_s, min_rounds

ARMS = (ArmKey("torch"), ArmKey("ort"), ArmKey("torch", twin=True))
MS = 1_000_000


def cell(batch_size: int, load: str = "") -> PlannedCell:
    return PlannedCell(key=CellKey(model="m", batch_size=batch_size, threads=2, load=load), arms=ARMS)


def lines(batch_size: int, call_ms: float, calls: int) -> list[RoundRecord]:
    """Return three rounds, a slice of so many calls for each arm."""
    return [
        RoundRecord(
            cell=cell(batch_size).key.id,
            launch=1,
            round=number,
            position=place,
            engine=arm.engine,
            twin=arm.twin,
            samples_ns=(round(call_ms * MS),) * calls,
            started_s=0.0,
        )
        for number in (1, 2, 3)
        for place, arm in enumerate(ARMS)
    ]


@pytest.mark.parametrize(("round_s", "rounds"), [(0.1, 3), (5, 3), (5.1, 1), (60, 1)])
def test_a_very_long_round_is_run_once(round_s: float, rounds: int) -> None:
    assert min_rounds(round_s) == rounds


def test_one_size_is_scaled_by_the_ratio_and_two_by_what_they_say() -> None:
    assert expected_call_s(16, {1: 0.5}) == pytest.approx(8)
    # Four times the batch took twice as long, so that sixteen times will take four times as long.
    assert expected_call_s(64, {1: 9.0, 4: 1.0, 16: 2.0}) == pytest.approx(4)
    # Where a larger batch took no longer the next one is not expected to be faster.
    assert expected_call_s(64, {4: 1.0, 16: 0.5}) == pytest.approx(0.5)
    assert expected_call_s(16, {4: 1.0, 16: 2.0}) == 2.0


@given(
    st.integers(1, 4096),
    st.dictionaries(st.integers(1, 4096), st.floats(1e-7, 1e3), min_size=1, max_size=5),
)
def test_a_larger_batch_is_never_expected_to_be_faster_nor_absurdly_slower(size: int, calls: dict[int, float]) -> None:
    largest = max(calls)
    expected = expected_call_s(size, calls)
    assert expected > 0
    if size > largest:
        assert calls[largest] * (1 - 1e-9) <= expected <= calls[largest] * (size / largest) ** 1.5 * (1 + 1e-9)


def test_a_round_of_filled_slices_grows_only_where_calls_outgrow_them() -> None:
    """Six arms of 160 ms and calls of half a millisecond: a batch of 16 was reckoned to take 16 s a round, not one."""
    cost = CellCost(prepare_s=5.0, round_s=1.0, arms=(ArmCost(0.0005, 0.16),) * 6)
    assert cost.with_calls(16).round_s == pytest.approx(1.0)
    assert cost.with_calls(16).prepare_s == pytest.approx(5.0 + 4 * 6 * 0.0005 * 15)
    # One call that leads in and one that counts; no lead-in from 150 ms on.
    assert cost.with_calls(200).round_s == pytest.approx(0.04 + 6 * 0.2)
    assert cost.with_calls(1000).round_s == pytest.approx(0.04 + 6 * 0.5)
    assert cost.with_slices(0.02).round_s == pytest.approx(0.04 + 6 * 0.02)


def test_compiling_does_not_grow_with_the_batch_and_is_not_paid_twice() -> None:
    cost = CellCost(prepare_s=20.0, round_s=1.0, arms=(ArmCost(0.1, 0.16),), once_s=14.0)
    assert cost.with_calls(2).prepare_s == pytest.approx(20.4)
    assert cost.minimum_s == pytest.approx(20 - 14 + 3)
    record = LaunchRecord(cell="b1-t2", launch=1, engine="compile", status="ok")
    compiled = LaunchRecord(
        cell="b1-t2",
        launch=1,
        engine="compile",
        status="ok",
        first_call_ns=14_000 * MS,
        warm_up_ns=(100 * MS,) * 3,
    )
    quick = LaunchRecord(
        cell="b1-t2", launch=1, engine="ort", status="ok", first_call_ns=30 * MS, warm_up_ns=(20 * MS,) * 3
    )
    assert compiling_s([record, compiled, quick]) == pytest.approx(13)


def test_a_cell_is_given_up_by_a_call_that_was_measured() -> None:
    small, large = cell(1), cell(64)
    costs = CellCosts([small, large])
    assert costs.unaffordable(large, 0.1) is None
    costs.keep(small, 1.0, 0.5, lines(1, 10.0, 16))
    reason = costs.unaffordable(large, 10.0)
    assert reason is not None
    assert "one call of torch took 10.0 ms at batch size 1" in reason
    # A call of 0.64 s was expected and one of 0.03 s seen.
    costs.try_out(large, ArmKey("torch"), 0.03)
    assert costs.unaffordable(large, 10.0) is None
    costs.try_out(large, ArmKey("torch"), 4.0)
    reason = costs.unaffordable(large, 10.0)
    assert reason is not None
    assert "one call of torch took 4.0 s here, and 10 s of its share of --max-time is left" in reason
    late = costs.unaffordable(large, -3.0)
    assert late is not None
    assert late.startswith("its share of --max-time was used up before its turn")


def test_short_calls_of_a_larger_batch_are_not_taken_for_long_ones() -> None:
    small, large = cell(1), cell(64)
    costs = CellCosts([small, large])
    costs.keep(small, 0.3, 0.5, lines(1, 0.02, 1000))
    expected = costs.expected(large)
    assert expected is not None
    assert expected.minimum_s < 2.5
    assert costs.unaffordable(large, 2.5) is None


def test_what_the_twin_took_is_not_expected_of_a_batch_size_that_has_none() -> None:
    small = cell(1)
    large = PlannedCell(key=cell(64).key, arms=ARMS[:1])
    costs = CellCosts([small, large])
    costs.keep(small, 3.0, 0.6, lines(1, 1.0, 160))
    expected = costs.expected(large)
    assert expected is not None
    assert expected.prepare_s == pytest.approx(1.0 + 4 * 0.001 * 63)
    assert expected.round_s == pytest.approx(0.2)


def test_a_size_that_was_only_tried_says_how_calls_grow() -> None:
    cells = [cell(size) for size in (1, 16, 256)]
    costs = CellCosts(cells)
    costs.keep(cells[0], 1.0, 0.5, lines(1, 100.0, 2))
    assert costs.expected_call_s(cells[2]) == pytest.approx(25.6)
    costs.try_out(cells[1], ArmKey("torch"), 0.4)
    assert costs.sizes_known(cells[2]) == 2
    assert costs.expected_call_s(cells[2]) == pytest.approx(1.6)


def test_under_a_load_a_round_lasts_as_long_with_any_batch() -> None:
    small, large = cell(1, "server"), cell(64, "server")
    costs = CellCosts([small, large])
    costs.keep(small, 1.0, 30.0, [])
    assert costs.expected(large) == costs.known[small.key.id]

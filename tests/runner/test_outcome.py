"""What run.json says of a study that was too short, or took too long."""

from __future__ import annotations

import math

import pytest

from ortbench.results.derive import summarize
from ortbench.runner.budget import CellState, GroupState
from ortbench.runner.costs import CellCost
from ortbench.runner.outcome import overrun, time_for_intervals_s, with_overrun
from ortbench.units import parse_duration
from tests.results.factory import make_run


def group(*launches: int, start_s: float = 10.0) -> GroupState:
    cost = CellCost(prepare_s=16.0, round_s=1.0, once_s=14.0)
    return GroupState(0, start_s, tuple(CellState(f"b{count}", cost, count, math.inf) for count in launches))


def test_a_study_with_one_launch_says_how_long_it_must_be_for_three() -> None:
    # 26 s of the first launch with 3 of rounds, and twice 12 and 3: 59 s at least.
    needed = time_for_intervals_s([group(1)], 40)
    assert needed is not None
    assert 59 <= needed <= 75
    assert time_for_intervals_s([group(2)], 40) is None
    assert time_for_intervals_s([], 40) is None
    # Every group wants its launches, and a cell that has an interval already does not help the one that has none.
    both = time_for_intervals_s([group(3), group(1, 2)], 40)
    assert both is not None
    assert both > 2 * needed
    assert time_for_intervals_s([group(1)], 40, 0.5) == pytest.approx(2 * needed)


def test_what_is_advised_is_more_than_was_given_and_typed_as_it_stands() -> None:
    longer_s = time_for_intervals_s([group(1)], 600)
    assert longer_s is not None
    assert longer_s > 600
    typed = summarize(make_run(time_for_intervals_s=longer_s), [], []).max_time_for_intervals
    assert typed is not None
    assert longer_s <= parse_duration(typed, "--max-time") <= longer_s + 60
    assert summarize(make_run(), [], []).max_time_for_intervals is None


def test_an_overrun_is_told_with_what_took_the_time() -> None:
    spent = {"total": 31.0, "starting": 12.0, "preparing": 9.0, "rounds": 0.4, "parity": 8.0, "lost": 8.0}
    assert overrun(20, spent) == (
        "this study took 11 s longer than its --max-time of 20 s: checking outputs, which is "
        "not counted, took 8.0 s, starting engines took 12 s, making them ready took 9.0 s"
    )
    assert overrun(20, {"total": 20.9}) is None
    assert overrun(300, {"total": 305}) is None


def test_a_study_that_goes_on_longer_is_not_told_of_an_earlier_overrun() -> None:
    over = with_overrun(make_run(notes=("a note",), time_s={"total": 31.0}), 20)
    assert len(over.notes) == 2
    assert with_overrun(over, 20).notes == over.notes
    assert with_overrun(over, 60).notes == ("a note",)

from __future__ import annotations

import math

import msgspec
import pytest

from ortbench.results.machine_speed import drift, untracked
from ortbench.results.pairing import by_arm, cell_ratios, counted
from ortbench.results.schema import ArmKey, RoundRecord
from tests.results.factory import make_rounds


def spoil(lines: list[RoundRecord], rounds: set[int]) -> list[RoundRecord]:
    return [msgspec.structs.replace(line, spoiled="steal") if line.round in rounds else line for line in lines]


LINES = make_rounds({"torch": [[80, 82, 800, 80]], "ort": [[40, 41, 40, 40]]})


def test_spoiled_rounds_do_not_count() -> None:
    kept = counted(spoil(LINES, {3}))
    assert {line.round for line in kept} == {1, 2, 4}
    assert cell_ratios(spoil(LINES, {3}), "torch") == {ArmKey("ort"): [pytest.approx([math.log(2)] * 3)]}


def test_where_most_rounds_are_spoiled_all_count() -> None:
    assert list(counted(spoil(LINES, {1, 2, 3}))) == spoil(LINES, {1, 2, 3})
    assert {line.round for line in counted(spoil(LINES, {1, 2}))} == {3, 4}


def test_a_twin_is_an_arm_of_its_own() -> None:
    twins = [msgspec.structs.replace(line, engine="torch", twin=True) for line in LINES if line.engine == "ort"]
    arms = by_arm([*LINES, *twins])
    assert {key: len(lines) for key, lines in arms.items()} == {
        ArmKey("torch"): 4,
        ArmKey("ort"): 4,
        ArmKey("torch", twin=True): 4,
    }
    assert set(cell_ratios([*LINES, *twins], "torch")) == {ArmKey("ort"), ArmKey("torch", twin=True)}


def test_without_the_baseline_nothing_is_paired() -> None:
    assert cell_ratios([line for line in LINES if line.engine == "ort"], "torch") == {}


def test_drift_is_how_far_slow_spells_are_from_fast_ones() -> None:
    assert drift([100] * 50) == 0
    assert drift(list(range(100, 200))) == pytest.approx(190 / 110 - 1)
    assert drift([100, 200, 300]) is None


def test_rounds_without_a_sentinel_are_told_where_others_had_one() -> None:
    lines = make_rounds({"a": [[1.0] * 3], "b": [[1.0] * 3]})
    tracked = [msgspec.structs.replace(line, sentinel_ns=None if line.round == 3 else 1000) for line in lines]
    assert untracked(tracked) == [
        "in 1 of 3 rounds nothing tracked the machine's speed: the sentinel's process had ended"
    ]
    assert untracked(lines) == untracked([]) == []

"""How the time of a study is shared among launches and cells. Pure functions of what was measured so far.

Every cell gets its fewest rounds first, in as many launches as an interval by ranks needs; then the time goes, launch
by launch, to the group with the widest interval, and in it to the cells that have not met the target.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

# An interval of 95 % by ranks takes six launches; before that a narrow one may be luck, and the study goes on.
LAUNCHES_BEFORE_STOPPING = 6
# Ranks leave out the worst launch of nine and more; twelve are worth having where starting them is cheap.
LAUNCHES_WANTED = 12
FEWEST_LAUNCHES = 3
# The cold call and the warm-up of calls that are long: two or three windows of one call each.
_CALLS_TO_PREPARE = 4
_MIN_ROUNDS = 3
_LONG_ROUND_S = 5.0
_FIRST_LAUNCH_SHARE = 0.1
# (length of a study in s, seconds measured for each second of starting and warming up): a long study can afford
# launches of which nearly everything is measured, a short one needs many launches more.
_SHORT_STUDY, _USUAL_STUDY, _LONG_STUDY = (60.0, 0.6), (300.0, 2.8), (1200.0, 6.5)


@dataclass(frozen=True)
class CellCost:
    """What a cell was seen to cost in its last launch.

    Attributes:
        prepare_s: making all its arms ready.
        round_s: one round of all its arms, with the time between slices.
    """

    prepare_s: float
    round_s: float

    @property
    def least_rounds_s(self) -> float:
        """The fewest rounds."""
        return min_rounds(self.round_s) * self.round_s

    @property
    def minimum_s(self) -> float:
        """Preparing and the fewest rounds."""
        return self.prepare_s + self.least_rounds_s


@dataclass(frozen=True)
class CellState:
    """A cell that was measured at least once.

    Attributes:
        launches: that have rounds of it.
        excess: the widest interval's half-width over the target; infinite where there is none yet, 0 where
            nothing is compared.
        rounds: how many a launch should have, by the variances seen so far.
    """

    id: str
    cost: CellCost
    launches: int
    excess: float
    rounds: int = 1

    @property
    def done(self) -> bool:
        """Whether it is known as well as was wanted, after enough launches to believe it."""
        return self.excess <= 1 and self.launches >= LAUNCHES_BEFORE_STOPPING


@dataclass(frozen=True)
class GroupState:
    """Cells that share a launch.

    Attributes:
        index: its place in the plan.
        start_s: starting and loading all its arms.
        cells: those that may still be measured.
    """

    index: int
    start_s: float
    cells: tuple[CellState, ...]

    @property
    def open_cells(self) -> tuple[CellState, ...]:
        """The cells that want more launches."""
        return tuple(cell for cell in self.cells if not cell.done)


@dataclass(frozen=True)
class PlannedLaunch:
    """The next launch: of which group, and how many seconds of rounds for each cell."""

    group: int
    seconds: dict[str, float]


def min_rounds(round_s: float) -> int:
    """Return the fewest rounds a launch spends on a cell: three, or one where a round takes very long."""
    return _MIN_ROUNDS if round_s <= _LONG_ROUND_S else 1


def first_launch_seconds(max_time_s: float, cells: int) -> float:
    """Return how long a cell's rounds last in the first launch, which serves as the pilot."""
    return max_time_s * _FIRST_LAUNCH_SHARE / cells


def measured_per_overhead(max_time_s: float) -> float:
    """Return how many seconds to measure for each second of starting and warming up, by the study's length."""
    points = (_SHORT_STUDY, _USUAL_STUDY, _LONG_STUDY)
    if max_time_s <= points[0][0]:
        return points[0][1]
    for (left, low), (right, high) in itertools.pairwise(points):
        if max_time_s <= right:
            return low + (high - low) * math.log(max_time_s / left) / math.log(right / left)
    return points[-1][1]


def next_launch(groups: Sequence[GroupState], remaining_s: float, max_time_s: float) -> PlannedLaunch | None:
    """Return the launch that serves the study best, or None where every target is met or nothing fits any more.

    Args:
        groups: each after its first launch.
        remaining_s: of the whole study.
        max_time_s: the whole study.
    """
    open_groups = sorted((group for group in groups if group.open_cells), key=_urgency)
    for group in open_groups:
        seconds = _seconds(group, _share(group, open_groups, remaining_s), remaining_s, max_time_s)
        if seconds:
            return PlannedLaunch(group.index, seconds)
    return None


def expected_cell_cost(batch_size: int, known: Sequence[tuple[int, CellCost]]) -> CellCost | None:
    """Scale the cost of the largest batch size measured so far to `batch_size`; None where none was.

    Making ready is calls, and what does not grow with the batch: compiling above all.
    """
    if not known:
        return None
    reference_size, cost = max(known, key=lambda pair: pair[0])
    scale = batch_size / reference_size
    calls_s = min(cost.prepare_s, _CALLS_TO_PREPARE * cost.round_s)
    return CellCost(cost.prepare_s - calls_s + calls_s * scale, cost.round_s * scale)


def _fewest(group: GroupState) -> int:
    return min(cell.launches for cell in group.open_cells)


def _urgency(group: GroupState) -> tuple[int, float]:
    """Order groups: those short of launches first, then the one with the widest interval."""
    missing = max(0, LAUNCHES_BEFORE_STOPPING - _fewest(group))
    return -missing, -max(cell.excess for cell in group.open_cells)


def _share(group: GroupState, groups: Sequence[GroupState], remaining_s: float) -> float:
    """Return the group's part of the time: alike for all that are short of launches, everything after that."""
    short = [other for other in groups if _fewest(other) < LAUNCHES_BEFORE_STOPPING]
    return remaining_s / len(short) if group in short else remaining_s


def _seconds(group: GroupState, share_s: float, remaining_s: float, max_time_s: float) -> dict[str, float]:
    fitting = _fitting(remaining_s - group.start_s, group.open_cells)
    if not fitting:
        return {}
    overhead = group.start_s + sum(cell.cost.prepare_s for cell in fitting)
    least = sum(cell.cost.least_rounds_s for cell in fitting)
    wanted = sum(max(cell.rounds * cell.cost.round_s, cell.cost.least_rounds_s) for cell in fitting)
    shortest = overhead + max(least, overhead * measured_per_overhead(max_time_s))
    ideal = max(shortest, overhead + wanted)
    done = min(cell.launches for cell in fitting)
    # As many as the variances ask for; but enough for a good interval by ranks, if the time allows those at all.
    enough = max(FEWEST_LAUNCHES, min(LAUNCHES_WANTED, done + int(share_s / shortest)))
    launches = max(1, enough - done, int(share_s / ideal))
    spare = max(0.0, min(share_s / launches, remaining_s) - overhead - least)
    weights = [min(cell.excess, 10.0) or 1.0 for cell in fitting]
    return {
        cell.id: cell.cost.least_rounds_s + spare * weight / sum(weights)
        for cell, weight in zip(fitting, weights, strict=True)
    }


def _fitting(available_s: float, cells: Sequence[CellState]) -> list[CellState]:
    """Return the cells whose minimum fits, cheapest first, until the next would not."""
    fitting: list[CellState] = []
    for cell in sorted(cells, key=lambda cell: cell.cost.minimum_s):
        available_s -= cell.cost.minimum_s
        if available_s < 0:
            break
        fitting.append(cell)
    return fitting

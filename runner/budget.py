"""How the time of a study is shared among launches and cells. Pure functions of what was measured so far.

Every cell is measured in a first launch. Where the variances seen so far promise the target after as few launches as
an interval by ranks needs, launches are as short as these variances allow, and the study ends early. Where they do
not, all of the time will be used, and launches are so long that most of it is spent measuring. When every group has
enough launches the time goes, launch by launch, to the group with the widest interval, and in it to the cells that
have not met the target.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

# An interval of 95 % by ranks takes six launches; before that a narrow one may be luck, and the study goes on.
LAUNCHES_BEFORE_STOPPING = 8
# From twelve launches on ranks leave a bad one out; they are worth having where starting them is cheap.
LAUNCHES_WANTED = 12
FEWEST_LAUNCHES = 3
# The cold call and the warm-up of calls that are long: two or three windows of one call each.
_CALLS_TO_PREPARE = 4
_MIN_ROUNDS = 3
_LONG_ROUND_S = 5.0
_FIRST_LAUNCH_SHARE = 0.1
# (length of a study in s, seconds measured for each second of starting and warming up): a long study can afford
# launches of which nearly everything is measured, a short one needs many launches more.
_SHORT_STUDY, _USUAL_STUDY, _LONG_STUDY = (60.0, 0.6), (300.0, 2.4), (1200.0, 6.5)


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
        hopeful: whether launches of so many rounds promise the target as soon as there are enough of them.
    """

    id: str
    cost: CellCost
    launches: int
    excess: float
    rounds: int = 1
    hopeful: bool = False

    @property
    def wanted_s(self) -> float:
        """As many rounds as a launch should have, and never fewer than the fewest."""
        return max(self.rounds * self.cost.round_s, self.cost.least_rounds_s)

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
    # What does not fit any more wants nothing of the rest.
    fitting = [replace(group, cells=_fitting(remaining_s - group.start_s, group.open_cells)) for group in groups]
    if not (ready := [group for group in fitting if group.cells]):
        return None
    group = min(ready, key=_urgency)
    share_s = _share(group, ready, remaining_s)
    if all(cell.hopeful for cell in group.cells):
        return PlannedLaunch(group.index, _seconds_to_the_target(group, share_s, remaining_s))
    return PlannedLaunch(group.index, _seconds(group, share_s, remaining_s, max_time_s))


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
    return min(cell.launches for cell in group.cells)


def _urgency(group: GroupState) -> tuple[int, float]:
    """Order groups: those short of launches first, then the one with the widest interval."""
    missing = max(0, LAUNCHES_BEFORE_STOPPING - _fewest(group))
    return -missing, -max(cell.excess for cell in group.cells)


def _share(group: GroupState, groups: Sequence[GroupState], remaining_s: float) -> float:
    """Return the group's part of the time: alike for all that are short of launches, everything after that."""
    short = [other for other in groups if _fewest(other) < LAUNCHES_BEFORE_STOPPING]
    return remaining_s / len(short) if group in short else remaining_s


def _overhead_s(group: GroupState) -> float:
    return group.start_s + sum(cell.cost.prepare_s for cell in group.cells)


def _seconds_to_the_target(group: GroupState, share_s: float, remaining_s: float) -> dict[str, float]:
    """Return rounds as the variances ask for; fewer where the time would not do for enough launches of that length."""
    launches = max(1, LAUNCHES_BEFORE_STOPPING - _fewest(group))
    least = sum(cell.cost.least_rounds_s for cell in group.cells)
    beyond = sum(cell.wanted_s for cell in group.cells) - least
    spare = max(0.0, min(share_s / launches, remaining_s) - _overhead_s(group) - least)
    part = min(1.0, spare / beyond) if beyond else 0.0
    return {
        cell.id: cell.cost.least_rounds_s + part * (cell.wanted_s - cell.cost.least_rounds_s) for cell in group.cells
    }


def _seconds(group: GroupState, share_s: float, remaining_s: float, max_time_s: float) -> dict[str, float]:
    """Return rounds for a launch of which most is spent measuring, the widest intervals getting the most."""
    overhead = _overhead_s(group)
    least = sum(cell.cost.least_rounds_s for cell in group.cells)
    wanted = sum(cell.wanted_s for cell in group.cells)
    shortest = overhead + max(least, overhead * measured_per_overhead(max_time_s))
    ideal = max(shortest, overhead + wanted)
    done = _fewest(group)
    # As many as the variances ask for; but enough for a good interval by ranks, if the time allows those at all.
    enough = max(FEWEST_LAUNCHES, min(LAUNCHES_WANTED, done + int(share_s / shortest)))
    launches = max(1, enough - done, int(share_s / ideal))
    spare = max(0.0, min(share_s / launches, remaining_s) - overhead - least)
    weights = [min(cell.excess, 10.0) or 1.0 for cell in group.cells]
    return {
        cell.id: cell.cost.least_rounds_s + spare * weight / sum(weights)
        for cell, weight in zip(group.cells, weights, strict=True)
    }


def _fitting(available_s: float, cells: Sequence[CellState]) -> tuple[CellState, ...]:
    """Return the cells whose minimum fits, cheapest first, until the next would not."""
    fitting: list[CellState] = []
    for cell in sorted(cells, key=lambda cell: cell.cost.minimum_s):
        available_s -= cell.cost.minimum_s
        if available_s < 0:
            break
        fitting.append(cell)
    return tuple(fitting)

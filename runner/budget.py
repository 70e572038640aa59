"""How the time of a study is shared among launches and cells. Pure functions of what was measured so far.

Every cell is measured in a first launch, the pilot. After each launch the rest is planned anew. For each possible
number of further launches the rounds that fit into the time left are reckoned, with starting and preparing as they
were measured, and from these how wide the intervals can be expected to be (`expectation.py`). Where some number of
launches promises the target, the plan that reaches it soonest is followed, and the study ends early. Where none does,
all of the time is used by the number that promises the narrowest intervals. When every group has enough launches the
time goes, launch by launch, to the group with the widest interval, and in it to the cells that have not met the target.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from ortbench.runner.costs import CellCost
from ortbench.runner.expectation import Scatter, expected_half_width

# A narrow interval of fewer launches may be luck. Of noisy studies that stop as soon as an interval of six or seven is
# narrow, too few hold the truth (benchmarks/launch_planning.py).
LAUNCHES_BEFORE_STOPPING = 8
# From twelve launches on ranks leave a bad one out. Beyond them launches are no shorter than ten seconds, and there are
# no more than so many: those that follow each other at once meet the machine in the same state, and claim too much.
_LAUNCHES_WANTED, _MOST_LAUNCHES = 12, 48
_APART_S = 10.0
_FIRST_LAUNCH_SHARE = 0.1
# What is expected on average is missed half of the time; this much below the target it is met more often than not.
_HOPE = 0.8
# How much the width of an interval so far counts when rounds are shared among cells.
_NARROW, _WIDE = 0.5, 10.0


@dataclass(frozen=True)
class CellState:
    """A cell that was measured at least once.

    Attributes:
        launches: that have rounds of it.
        excess: the widest interval's half-width over the target; infinite where there is none yet, 0 where
            nothing is compared.
        rounds: of each launch so far.
        scatter: of the arm whose interval will be the widest.
        target: the half-width that is wanted.
        to_the_end: whether it wants all the time there is, as the tail does under a load.
        one_round: whether no more than that fits.
    """

    id: str
    cost: CellCost
    launches: int
    excess: float
    rounds: tuple[int, ...] = ()
    scatter: Scatter = field(default_factory=Scatter)
    target: float = 0.02
    to_the_end: bool = False
    one_round: bool = False

    @property
    def least_s(self) -> float:
        """The fewest rounds of its next launch."""
        return self.cost.round_s if self.one_round else self.cost.least_rounds_s

    @property
    def done(self) -> bool:
        """Whether it is known as well as was wanted, after enough launches to believe it."""
        return self.excess <= 1 and self.launches >= LAUNCHES_BEFORE_STOPPING

    def expected_excess(self, launches: int, seconds: float) -> float:
        """Return the half-width over the target after so many more launches, each with so many seconds of rounds."""
        rounds = seconds / max(self.cost.round_s, 1e-6)
        return expected_half_width([*self.rounds, *[rounds] * launches], self.scatter) / self.target

    def seconds_to_the_target(self, launches: int, most_s: float) -> float | None:
        """Return how many seconds of rounds each of so many launches needs for the target; None for more than that."""
        short_s = self.least_s
        long_s = max(most_s, short_s)
        if self.to_the_end or self.expected_excess(launches, long_s) > _HOPE:
            return None
        if self.expected_excess(launches, short_s) <= _HOPE:
            return short_s
        # Widths shrink as launches get longer: halve the ratio between too short and long enough.
        while long_s > 1.02 * short_s:
            middle_s = math.sqrt(short_s * long_s)
            enough = self.expected_excess(launches, middle_s) <= _HOPE
            short_s, long_s = (short_s, middle_s) if enough else (middle_s, long_s)
        return long_s


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

    @property
    def overhead_s(self) -> float:
        """A launch without its rounds."""
        return self.start_s + sum(cell.cost.again_s for cell in self.cells)

    @property
    def least_s(self) -> float:
        """The fewest rounds of every cell."""
        return sum(cell.least_s for cell in self.cells)


@dataclass(frozen=True)
class PlannedLaunch:
    """The next launch: of which group, and how many seconds of rounds for each cell."""

    group: int
    seconds: dict[str, float]


def first_launch_seconds(max_time_s: float, cells: int) -> float:
    """Return how long a cell's rounds last in the first launch, which serves as the pilot."""
    return max_time_s * _FIRST_LAUNCH_SHARE / cells


def next_launch(groups: Sequence[GroupState], remaining_s: float) -> PlannedLaunch | None:
    """Return the launch that serves the study best, or None where every target is met or nothing fits any more.

    Args:
        groups: each after its first launch.
        remaining_s: of the whole study.
    """
    # What does not fit any more wants nothing of the rest.
    fitting = [replace(group, cells=_fitting(remaining_s - group.start_s, group.open_cells)) for group in groups]
    if not (ready := [group for group in fitting if group.cells]):
        return None
    group = min(ready, key=_urgency)
    return PlannedLaunch(group.index, plan_group(group, _share(group, ready, remaining_s), remaining_s))


def plan_group(group: GroupState, share_s: float, remaining_s: float) -> dict[str, float]:
    """Return how many seconds of rounds each cell gets in the group's next launch.

    Args:
        group: with cells that fit into a launch.
        share_s: the group's part of the time left.
        remaining_s: all of it; the next launch may use it where the share is shorter than a launch.
    """
    shortest_s = group.overhead_s + group.least_s
    fewest = min(cell.launches for cell in group.cells)
    most = _most_launches(share_s, shortest_s, fewest)
    lengths = {
        launches: min(max(share_s / launches, shortest_s), remaining_s) - group.overhead_s
        for launches in range(1, most + 1)
    }
    enough = range(max(1, LAUNCHES_BEFORE_STOPPING - fewest), most + 1)
    if (soonest := _soonest(group, {launches: lengths[launches] for launches in enough})) is not None:
        return soonest
    filled = {launches: _filled(group, seconds) for launches, seconds in lengths.items()}
    return filled[min(filled, key=lambda launches: _expected_width(group, launches, filled[launches]))]


def share_rounds(total_s: float, least_s: Sequence[float], weights: Sequence[float]) -> list[float]:
    """Share seconds in proportion to the weights, but give each at least its least."""
    given = list(least_s)
    free = set(range(len(given)))
    while free:
        left_s = total_s - sum(given[place] for place in range(len(given)) if place not in free)
        unit = left_s / max(sum(weights[place] for place in free), 1e-12)
        short = {place for place in free if unit * weights[place] < least_s[place]}
        if not short:
            for place in free:
                given[place] = unit * weights[place]
            break
        free -= short
    return given


def best_length_s(left_s: float, overhead_s: float, stages: Sequence[tuple[float, float]], done: int) -> float:
    """Return how long a launch should last, overhead included, for the narrowest intervals when the time is over.

    For launches of which nothing is known but what they cost: the finals', and those of chosen configurations.

    Args:
        left_s: in all.
        overhead_s: of a launch, before and between rounds.
        stages: of each the fewest rounds and one round, in seconds.
        done: launches so far.
    """
    least_s = [least for least, _ in stages]
    most = _most_launches(left_s, overhead_s + sum(least_s), done)

    def expected_width(launches: int) -> float:
        given = share_rounds(left_s / launches - overhead_s, least_s, [1.0] * len(least_s))
        rounds = (seconds / max(round_s, 1e-6) for seconds, (_, round_s) in zip(given, stages, strict=True))
        return math.hypot(*(expected_half_width([own] * (done + launches), Scatter()) for own in rounds))

    return left_s / min(range(1, most + 1), key=expected_width)


def _most_launches(left_s: float, shortest_s: float, done: int) -> int:
    """Return how many more launches there can be at most; at least one."""
    wanted = max(_LAUNCHES_WANTED - done, min(int(left_s / _APART_S), _MOST_LAUNCHES - done))
    return max(1, min(wanted, int(left_s / max(shortest_s, 1e-6))))


def _soonest(group: GroupState, lengths: Mapping[int, float]) -> dict[str, float] | None:
    """Return the seconds of the plan that promises every target soonest; None where none does.

    Args:
        group: with cells that fit into a launch.
        lengths: number of further launches, ascending -> how long each may last.
    """
    best_s, best = math.inf, None
    for launches, length_s in lengths.items():
        if launches * (group.overhead_s + group.least_s) >= best_s:
            break
        if (seconds := _to_the_target(group, launches, length_s)) is not None:
            total_s = launches * (group.overhead_s + sum(seconds.values()))
            best_s, best = min((best_s, best), (total_s, seconds), key=lambda plan: plan[0])
    return best


def _to_the_target(group: GroupState, launches: int, length_s: float) -> dict[str, float] | None:
    """Return the fewest seconds with which so many launches promise every target; None where they do not fit."""
    seconds = {cell.id: cell.seconds_to_the_target(launches, length_s) for cell in group.cells}
    found = {name: own for name, own in seconds.items() if own is not None}
    return found if len(found) == len(seconds) and sum(found.values()) <= length_s * (1 + 1e-9) else None


def _filled(group: GroupState, length_s: float) -> dict[str, float]:
    """Share a launch's seconds so that the intervals' squared widths have the least sum (Neyman's allocation).

    Cells whose interval is wide so far get more than that, as a variance from few rounds may be too small.
    """
    least_s = [cell.least_s for cell in group.cells]
    weights = [
        math.sqrt(cell.scatter.within * cell.cost.round_s * min(max(cell.excess, _NARROW), _WIDE)) / cell.target + 1e-9
        for cell in group.cells
    ]
    shared = share_rounds(length_s, least_s, weights)
    return {cell.id: seconds for cell, seconds in zip(group.cells, shared, strict=True)}


def _expected_width(group: GroupState, launches: int, seconds: dict[str, float]) -> float:
    """Return the root of the mean squared width, over the targets, with so many more launches of that length."""
    return math.hypot(*(cell.expected_excess(launches, seconds[cell.id]) for cell in group.cells))


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


def _fitting(available_s: float, cells: Sequence[CellState]) -> tuple[CellState, ...]:
    """Return the cells whose minimum fits beside those before them.

    First come those that have no interval yet, then those that have one, then those in which nothing is compared;
    and of each kind the cheapest. A cell that was measured in one launch takes part even where only one round of it
    fits: two launches give an interval.
    """
    fitting: list[CellState] = []
    for wanted in sorted(cells, key=lambda cell: (cell.excess == 0, math.isfinite(cell.excess), cell.cost.minimum_s)):
        one_round = wanted.launches < 2 and wanted.cost.minimum_s > available_s
        cell = replace(wanted, one_round=one_round)
        if (taken_s := cell.cost.again_s + cell.least_s) <= available_s:
            available_s -= taken_s
            fitting.append(cell)
    return tuple(fitting)

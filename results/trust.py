"""Does the baseline agree with its own twins? One test for each group of cells that shares launches. Pure functions.

The twins of a group run in one pair of processes, so a process that is slower for its whole life is so in all of their
cells: they are hardly more than one observation a launch. So a launch counts once, with the mean over its twins, and
these means are tested against 0 at a level of 1 %. Judged one by one, nine twins that are correlated by 0.95 raise a
false alarm in up to 6 % of studies (tests/results/test_trust.py).
"""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence

from ortbench.results.pairing import twin_differences
from ortbench.results.schema import CellKey, PlannedCell, RoundRecord
from ortbench.results.statistics import LogEstimate
from ortbench.results.summary import worded_layout

# The chance that the twins of a group raise a doubt that there is no reason for.
FALSE_ALARM = 0.01
# Processes of one program differ by a few per cent; a factor of two between launches is a machine that cannot measure.
_LARGEST_SCATTER = math.log(2)
# How the note begins that says why verdicts are withheld.
DISTRUST = "the baseline differs from its own twin"

Group = tuple[str, int, int, str]


def over_twins(twins: Sequence[Mapping[int, float]]) -> LogEstimate | None:
    """Return the estimate over launches of all twins of a group together.

    Args:
        twins: for each of them launch -> log(baseline / twin).

    Returns:
        None where no twin ran.
    """
    by_launch: dict[int, list[float]] = defaultdict(list)
    for twin in twins:
        for launch, difference in twin.items():
            by_launch[launch].append(difference)
    means = tuple(statistics.fmean(own) for _, own in sorted(by_launch.items()))
    return LogEstimate(means) if means else None


def differs(twins: LogEstimate) -> bool:
    """Say whether a baseline differs from itself by more than chance explains.

    Two or three launches that are far apart pass any test, as their scatter is all that there is to judge by. A program
    that reads more than twice as fast against itself in one launch as in another is reason enough.
    """
    return _scatter(twins) > _LARGEST_SCATTER or min(twins.level_above(0.0), twins.level_below(0.0)) <= FALSE_ALARM


def _scatter(twins: LogEstimate) -> float:
    """Return how many times the largest launch is the smallest, on the log scale."""
    return max(twins.launches) - min(twins.launches)


def doubts(cells: Sequence[PlannedCell], lines: Mapping[str, Sequence[RoundRecord]], baseline: str) -> dict[Group, str]:
    """Return why the verdicts of a group of cells must be withheld, for those of which they must.

    A group without a twin of its own (of several instances, which have none unless `--twins all` is given) follows
    those that have one: it is doubted where any of them is.

    Args:
        cells: of the study.
        lines: cell id -> its record.
        baseline: the engine that has twins.
    """
    groups: dict[Group, list[PlannedCell]] = defaultdict(list)
    for cell in cells:
        groups[cell.key.launch].append(cell)
    checked: dict[Group, LogEstimate] = {}
    for group, own in groups.items():
        found = over_twins([twin_differences(lines.get(cell.key.id, ()), baseline) for cell in own])
        if found:
            checked[group] = found
    several = len(groups) > 1
    reasons = {
        group: _reason(found, groups[group][0].key if several else None)
        for group, found in checked.items()
        if differs(found)
    }
    for group in groups.keys() - checked.keys():
        if reasons:
            reasons[group] = next(iter(reasons.values()))
    return reasons


def _reason(twins: LogEstimate, place: CellKey | None) -> str:
    where, there = "", ""
    if place:
        words = worded_layout(place.threads, place.instances, place.mode)
        words += [place.precision] if place.precision != "fp32" else []
        words += [place.allocator] if place.allocator != "default" else []
        where, there = f" at {', '.join(words)}", " there"
    launches = len(twins.launches)
    seen = f"it reads {twins.value:.4f}x in {launches} launches, which chance does not explain"
    if _scatter(twins) > _LARGEST_SCATTER:
        factor = math.exp(min(_scatter(twins), 99))
        seen = f"the lowest and highest of {launches} launches are a factor of {factor:.3g} apart"
    return f"{DISTRUST}{where}: {seen}: verdicts are withheld{there}. `ortbench doctor` looks for the reason"

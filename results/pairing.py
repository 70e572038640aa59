"""From the record's lines to paired log ratios: which rounds count, and who is compared with whom. Pure functions."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence

from ortbench.results.schema import ArmKey, RoundRecord
from ortbench.results.statistics import paired_log_ratios

# Where more rounds than this are spoiled, the machine is never quiet, and leaving them out would leave too little.
_MOST_SPOILED = 0.5


def counted(lines: Sequence[RoundRecord]) -> Sequence[RoundRecord]:
    """Return the lines of a cell that count: the unspoiled ones, or all where most are spoiled."""
    return lines if mostly_spoiled(lines) else [line for line in lines if line.spoiled is None]


# How a note ends that says why rounds count which others disturbed.
NEVER_QUIET = "the machine was never quiet, so rounds that others disturbed count too"


def mostly_spoiled(lines: Sequence[RoundRecord]) -> bool:
    """Say whether so many lines of a cell are spoiled that none can be left out."""
    return sum(line.spoiled is not None for line in lines) > _MOST_SPOILED * len(lines)


def latencies(lines: Sequence[RoundRecord]) -> dict[tuple[int, int], float]:
    """Return (launch, round) -> the latency in ns of one arm's slice: the median of its calls, if it has any."""
    return {(line.launch, line.round): max(statistics.median(line.samples_ns), 1) for line in lines if line.samples_ns}


def by_arm(lines: Sequence[RoundRecord]) -> Mapping[ArmKey, list[RoundRecord]]:
    """Group a cell's lines by arm."""
    grouped: dict[ArmKey, list[RoundRecord]] = defaultdict(list)
    for line in lines:
        grouped[ArmKey(line.engine, line.twin)].append(line)
    return grouped


def cell_ratios(lines: Sequence[RoundRecord], baseline: str) -> dict[ArmKey, list[list[float]]]:
    """Return, for every arm of a cell but the baseline, log(baseline / arm) of the rounds that count, by launch."""
    arms = {arm: latencies(own) for arm, own in by_arm(counted(lines)).items()}
    against = arms.pop(ArmKey(baseline), {})
    return {arm: ratios for arm, own in arms.items() if (ratios := paired_log_ratios(against, own))}


def twin_differences(lines: Sequence[RoundRecord], baseline: str) -> dict[int, float]:
    """Return launch -> the median over its rounds of log(baseline / its twin), of the rounds of a cell that count."""
    arms = by_arm(counted(lines))
    own, twin = (latencies(arms.get(ArmKey(baseline, twin=one), ())) for one in (False, True))
    by_launch: dict[int, list[float]] = defaultdict(list)
    for place in own.keys() & twin.keys():
        by_launch[place[0]].append(math.log(own[place] / twin[place]))
    return {launch: statistics.median(ratios) for launch, ratios in by_launch.items()}

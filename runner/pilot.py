"""What the first rounds teach: how long a slice should be, and how many rounds a launch. Pure functions of samples.

Both follow Kalibera and Jones, Rigorous Benchmarking in Reasonable Time, ISMM 2013: at every level repeat so often
that the variance of the result for the time spent is least. For a level that costs `above` to enter once and `own`
for each repetition, with variances `between` and `within`, that is sqrt(above / own * within / between) repetitions.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ortbench.results.variances import MEDIAN_FACTOR, between_variance, robust_variance, within_variance

# The pilot's slices, long enough to see what shorter ones would have given.
PILOT_SLICE_NS = 160_000_000
# Where the pilot had too few rounds to choose by: short slices pair best.
USUAL_SLICE_NS = 20_000_000
_CANDIDATES_NS = (10_000_000, 20_000_000, 40_000_000, 80_000_000, PILOT_SLICE_NS)
_ROUNDS_TO_JUDGE_BY = 8
# A variance from a few rounds is uncertain, and short slices pair best: a longer one must be clearly better.
_CLEARLY_BETTER = 0.6
MOST_CALLS_A_SLICE = 1000
# Of six normal values, in standard deviations (Tippett, On the Extreme Individuals and the Range of Samples, 1925).
_HALF_RANGE_OF_SIX = 2.534 / 2
# What is expected on average is missed half of the time; this much below the target it is met more often than not.
_HOPE = 0.8


def calls_in(slice_ns: float, call_ns: float) -> int:
    """Return how many calls fill a slice: at least one, at most a thousand."""
    return max(1, min(MOST_CALLS_A_SLICE, round(slice_ns / max(call_ns, 1))))


@dataclass(frozen=True)
class PilotSlices:
    """One arm's slices in the pilot, in the order of its rounds.

    Attributes:
        samples_ns: every call of every slice.
    """

    samples_ns: tuple[tuple[int, ...], ...]

    @property
    def call_ns(self) -> float:
        """The typical call."""
        return statistics.median(statistics.median(samples) for samples in self.samples_ns)

    def latencies(self, calls: int) -> list[float]:
        """Return each slice's latency as if it had ended after so many calls."""
        return [max(statistics.median(samples[:calls]), 1.0) for samples in self.samples_ns]


def best_slice_ns(baseline: PilotSlices, others: Sequence[PilotSlices], overhead_ns: float) -> int:
    """Return the slice length whose paired ratios have the least variance for the time of a round.

    Args:
        baseline: its slices; every arm has as many.
        others: the arms that are compared with it.
        overhead_ns: waking, asking and parking one arm.
    """
    if not others or len(baseline.samples_ns) < _ROUNDS_TO_JUDGE_BY:
        return USUAL_SLICE_NS
    arms = [baseline, *others]

    def cost(slice_ns: int) -> float:
        variance = statistics.fmean(_pair_variance(baseline, arm, slice_ns) for arm in others)
        return variance * sum(overhead_ns + calls_in(slice_ns, arm.call_ns) * arm.call_ns for arm in arms)

    chosen = _CANDIDATES_NS[0]
    for longer in _CANDIDATES_NS[1:]:
        if cost(longer) < _CLEARLY_BETTER * cost(chosen):
            chosen = longer
    return chosen


def _pair_variance(baseline: PilotSlices, arm: PilotSlices, slice_ns: int) -> float:
    theirs = baseline.latencies(calls_in(slice_ns, baseline.call_ns))
    own = arm.latencies(calls_in(slice_ns, arm.call_ns))
    return robust_variance([math.log(one / other) for one, other in zip(theirs, own, strict=True)])


def best_rounds(launches: Sequence[Sequence[float]], launch_s: float, round_s: float) -> int:
    """Return how many rounds a launch should have.

    Args:
        launches: one arm's paired log ratios, grouped by launch.
        launch_s: what a launch costs this cell before its first round.
        round_s: one round.
    """
    within = within_variance(launches)
    between = between_variance(launches, within)
    return max(1, round(math.sqrt(launch_s / max(round_s, 1e-6) * MEDIAN_FACTOR * within / between)))


def promises(launches: Sequence[Sequence[float]], rounds: int, target: float) -> bool:
    """Say whether six launches can be expected to know a ratio within `target`.

    Their interval by ranks is all their range, which is expected to be 2.53 times their standard deviation.

    Args:
        launches: one arm's paired log ratios so far, grouped by launch.
        rounds: of each launch to come.
        target: half-width of the interval.
    """
    medians = [statistics.median(values) for values in launches if values]
    if not medians:
        return False
    within = within_variance(launches)
    spread = math.sqrt(between_variance(launches, within) + MEDIAN_FACTOR * within / rounds)
    return max(_HALF_RANGE_OF_SIX * spread, (max(medians) - min(medians)) / 2) <= _HOPE * target


def rounds_for_cell(ratios: Collection[Sequence[Sequence[float]]], launch_s: float, round_s: float) -> int:
    """Return how many rounds a launch of a cell should have: what the arm that needs most asks for."""
    return max((best_rounds(launches, launch_s, round_s) for launches in ratios), default=1)

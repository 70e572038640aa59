"""What the first rounds teach about how long a slice should be. Pure functions of samples.

The slice is as Kalibera and Jones say, Rigorous Benchmarking in Reasonable Time, ISMM 2013: repeat at every level so
often that the variance of the result for the time spent is least.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from ortbench.results.variances import robust_variance

# The pilot's slices, long enough to see what shorter ones would have given.
PILOT_SLICE_NS = 160_000_000
# Where the pilot had too few rounds to choose by: short slices pair best.
USUAL_SLICE_NS = 20_000_000
_CANDIDATES_NS = (10_000_000, 20_000_000, 40_000_000, 80_000_000, PILOT_SLICE_NS)
_ROUNDS_TO_JUDGE_BY = 8
# A variance from a few rounds is uncertain, and short slices pair best: a longer one must be clearly better.
_CLEARLY_BETTER = 0.6
MOST_CALLS_A_SLICE = 1000


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

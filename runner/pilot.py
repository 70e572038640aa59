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
MOST_CALLS_A_SLICE = 999
_SHORT_CALL_NS = 10_000_000
_FEWEST_SHORT_CALLS = 3


def calls_in(slice_ns: float, call_ns: float) -> int:
    """Return how many counted calls fill a slice: an odd number, at least three of short calls, at most 999.

    Of an even number the median is a mean of two, which of skewed calls is larger: equal engines would read unlike.
    """
    fewest = _FEWEST_SHORT_CALLS if call_ns < _SHORT_CALL_NS else 1
    odd = 2 * int(min(slice_ns / max(call_ns, 1), MOST_CALLS_A_SLICE) / 2) + 1
    return max(fewest, odd)


@dataclass(frozen=True)
class PilotSlices:
    """One arm's slices in the pilot, in the order of its rounds.

    Attributes:
        samples_ns: every call of every slice, none of them empty.
        lead_in: how many of the first do not count.
    """

    samples_ns: tuple[tuple[int, ...], ...]
    lead_in: int = 0

    @property
    def call_ns(self) -> float:
        """The typical call."""
        return statistics.median(statistics.median(self._counted(samples)) for samples in self.samples_ns)

    def latencies(self, calls: int) -> list[float]:
        """Return each slice's latency as if it had ended after so many calls that count."""
        return [max(statistics.median(self._counted(samples)[:calls]), 1.0) for samples in self.samples_ns]

    def time_ns(self, slice_ns: float) -> float:
        """Return how long a slice takes, its lead-in included, that counts calls for `slice_ns`."""
        return (self.lead_in + calls_in(slice_ns, self.call_ns)) * self.call_ns

    def _counted(self, samples: tuple[int, ...]) -> tuple[int, ...]:
        return samples[self.lead_in :] or samples[-1:]


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
        return variance * sum(overhead_ns + arm.time_ns(slice_ns) for arm in arms)

    chosen = _CANDIDATES_NS[0]
    for longer in _CANDIDATES_NS[1:]:
        if cost(longer) < _CLEARLY_BETTER * cost(chosen):
            chosen = longer
    return chosen


def _pair_variance(baseline: PilotSlices, arm: PilotSlices, slice_ns: int) -> float:
    theirs = baseline.latencies(calls_in(slice_ns, baseline.call_ns))
    own = arm.latencies(calls_in(slice_ns, arm.call_ns))
    return robust_variance([math.log(one / other) for one, other in zip(theirs, own, strict=True)])

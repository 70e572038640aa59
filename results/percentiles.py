"""Upper percentiles of single calls, and their intervals. Pure functions of numbers.

The percentile is of all calls, pooled over the launches. An interval between two of its order statistics takes the
calls for independent, and they are not: calls of one launch share its luck, calls of one second the machine's, and
requests that wait in one queue each other's delay. On simulated calls of such kinds that interval holds the truth in
40 to 60 of 100 cases instead of 95 (tests/results/test_percentiles.py). So its bounds are moved apart by the square
root of the design effect, which is how many times more the share of slow calls varies from launch to launch than that
of independent calls would. What is slow is asked at the median, at the 90th percentile and at the one in question,
and the largest answer counts, as a few launches see too little of the tail to tell. Student's t stands in for the
normal distribution, since the launches are few. No bound lies beyond the fastest and the slowest call that were seen:
of what is slower still, these calls know nothing.

Below five launches there is no interval. What befalls only some launches (a burst in a quarter of them, a process that
is slower in one of three) is missed altogether by few: of three launches one study in three sees no slow one. From five
launches on the interval holds the truth in 92 of 100 simulated cases and more where calls of a launch are alike or wait
in a queue, but in 76 for the 99th percentile of a queue from no more calls than it takes, which is often beyond them
all. Where one launch of three is 5 % slower it holds in 87 (five launches) and 96 (eight); where a quarter of the
launches have bursts, in 75 (five) and 89 (eight) for the 99th percentile. No interval from such launches can do much
better: five of them see no burst in 24 of 100 cases.

Sources: Conover, Practical Nonparametric Statistics, 3rd edition, section 3.2 (between order statistics); Woodruff,
Confidence Intervals for Medians and Other Position Measures, 1952 (samples that come in clusters); Kish, Survey
Sampling, 1965 (design effect); Korn and Graubard, Confidence Intervals for Proportions with Small Expected Number of
Positive Counts Estimated from Survey Data, 1998 (few clusters).
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from functools import cached_property

from ortbench.results.statistics import CONFIDENCE

# Beyond it the exponential is no float any more.
_LARGEST_LOG = 700.0
# The fewest launches of which an interval says something; the module says why.
FEWEST_LAUNCHES = 5
# The fewest samples of which an upper percentile says something: 10 beyond the 90th, 95th and 99th.
PERCENTILE_MINIMUM = {90: 100, 95: 200, 99: 1000}


class PooledCalls:
    """Calls of several launches, whose percentiles are those of all together."""

    def __init__(self, launches: Iterable[Sequence[float]]) -> None:
        """Take the calls apart by launch: how long each took, in any unit, in any order."""
        self._launches = [sorted(launch) for launch in launches if launch]

    @cached_property
    def ordered(self) -> list[float]:
        """All calls, ascending."""
        return sorted(call for launch in self._launches for call in launch)

    def percentile(self, percent: int) -> float | None:
        """Return a percentile, linear between order statistics, or None where the calls are too few for it.

        Args:
            percent: 90, 95 or 99.
        """
        return None if len(self.ordered) < PERCENTILE_MINIMUM[percent] else quantile(self.ordered, percent)

    def interval(self, percent: int) -> tuple[float, float] | None:
        """Return the 95 % interval of a percentile; None as for `percentile`, and from fewer than five launches."""
        middle = self.percentile(percent)
        if middle is None or len(self._launches) < FEWEST_LAUNCHES:
            return None
        low, high = between_order_statistics(self.ordered, percent)
        wider = math.sqrt(self.design_effect(percent)) * _students_over_normal(len(self._launches) - 1)
        return self._seen(_moved(middle, low, wider)), self._seen(_moved(middle, high, wider))

    def _seen(self, bound: float) -> float:
        """Return a bound no further out than the fastest and the slowest call."""
        return min(max(bound, self.ordered[0]), self.ordered[-1])

    def design_effect(self, percent: int) -> float:
        """Return how many times more the share of slow calls varies than that of independent ones; at least 1."""
        return max(1.0, *(self._effect_beyond(quantile(self.ordered, place)) for place in {50, 90, percent}))

    def _effect_beyond(self, bound: float) -> float:
        """Return the variance of the share of calls beyond a bound, with launches as clusters, over the binomial."""
        beyond = [len(launch) - bisect_right(launch, bound) for launch in self._launches]
        calls, count = len(self.ordered), len(self._launches)
        share = sum(beyond) / calls
        if not 0 < share < 1:
            return 1.0
        apart = sum((slow - share * len(launch)) ** 2 for slow, launch in zip(beyond, self._launches, strict=True))
        return count / (count - 1) * apart / (calls * share * (1 - share))


def quantile(ordered: Sequence[float], percent: int) -> float:
    """Return a percentile, linear between the order statistics around it.

    Args:
        ordered: at least one, ascending.
        percent: 0 to 100.
    """
    whole, part = divmod((len(ordered) - 1) * percent, 100)
    above = ordered[min(whole + 1, len(ordered) - 1)]
    return ordered[whole] + (above - ordered[whole]) * (part / 100)


def between_order_statistics(ordered: Sequence[float], percent: int) -> tuple[float, float]:
    """Return the 95 % interval of a percentile of independent samples, between two of them.

    The number of samples below the true percentile is binomial; the interval spans its middle 95 %.
    """
    from scipy.special import bdtr

    count, share, miss = len(ordered), percent / 100, (1 - CONFIDENCE) / 2
    places = range(count)
    low = bisect_left(places, True, key=lambda place: float(bdtr(place, count, share)) > miss)
    high = bisect_left(places, True, key=lambda place: float(bdtr(place, count, share)) >= 1 - miss)
    return ordered[max(low - 1, 0)], ordered[min(high, count - 1)]


def _students_over_normal(freedom: int) -> float:
    """Return by how much Student's t widens a 95 % interval."""
    from scipy.special import ndtri, stdtrit

    return float(stdtrit(freedom, (1 + CONFIDENCE) / 2) / ndtri((1 + CONFIDENCE) / 2))


def _moved(middle: float, bound: float, times: float) -> float:
    """Return a bound so many times as far from the middle, on the log scale, on which a latency scatters evenly.

    Infinite where no float is as large; calls that took no time on the clock have no logarithm and stay.
    """
    if middle <= 0 or bound <= 0:
        return bound
    logarithm = math.log(middle) + times * (math.log(bound) - math.log(middle))
    return math.exp(logarithm) if logarithm < _LARGEST_LOG else math.inf

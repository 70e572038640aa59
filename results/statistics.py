"""Estimates and their intervals. Pure functions of numbers; docs/statistics.md says the same for readers.

The estimator of a speedup. Within a round every arm ran once, close together in time, so slow and fast spells of
the machine fall on all of them: the logarithm of (baseline's latency / arm's latency) is taken per round. Within
a launch the median over rounds discards bursts that hit one arm only. A launch then counts as one observation,
since two processes of the same program differ for their whole life and more rounds do not average that out.
Over launches the estimate is the Hodges-Lehmann median of Walsh averages and the interval is Wilcoxon's signed
rank, which a bad launch of twelve or more hardly widens, and one of seven to eleven by half of its distance from the
others; Student's t it widens several times. Where the launches are too few for the
confidence asked of ranks alone (five or fewer for 95 %), the interval is Student's t, widened to hold every
launch. A single launch gives no interval, and neither do launches so far apart that its bounds would differ by more
than tenfold: such an interval decides nothing, and Student's t of two launches reaches to absurd figures.

Sources: Kalibera and Jones, Rigorous Benchmarking in Reasonable Time, ISMM 2013 (levels of repetition); Hodges and
Lehmann, Estimates of Location Based on Rank Tests, 1963; Wilcoxon, Individual Comparisons by Ranking Methods, 1945.
"""

from __future__ import annotations

import math
import statistics
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import combinations_with_replacement

CONFIDENCE = 0.95
# An interval whose upper bound is more than so many times its lower one is not given: it would decide nothing.
WIDEST_INTERVAL = 10.0
# Beyond it the exponential is no float any more.
_LARGEST_LOG = 700.0


@dataclass(frozen=True)
class LogEstimate:
    """An estimate on the log scale with its uncertainty.

    Attributes:
        launches: one natural logarithm of a latency or ratio for each launch; at least one.
        shift: added to every one of them, so that an interval can be printed beside another centre.
    """

    launches: tuple[float, ...]
    shift: float = 0.0

    @cached_property
    def _walsh(self) -> list[float]:
        """All averages of two launches, each with itself too, ascending."""
        return sorted((one + other) / 2 for one, other in combinations_with_replacement(self.launches, 2))

    @property
    def center(self) -> float:
        """The natural logarithm of the estimate."""
        return statistics.median(self._walsh) + self.shift

    @property
    def value(self) -> float:
        """The estimate on its own scale."""
        return math.exp(min(self.center, _LARGEST_LOG))

    def interval(self, confidence: float = CONFIDENCE) -> tuple[float, float] | None:
        """Return the interval on the estimate's own scale; None where `no_interval` says why."""
        bounds = self.log_interval(confidence)
        if bounds is None or bounds[1] - bounds[0] > math.log(WIDEST_INTERVAL) or bounds[1] > _LARGEST_LOG:
            return None
        return math.exp(bounds[0]), math.exp(bounds[1])

    @property
    def no_interval(self) -> str | None:
        """Why there is no interval of 95 %, in words; None where there is one."""
        if len(self.launches) < 2:
            return "there is one launch, which says nothing about the next"
        if self.interval() is not None:
            return None
        apart = math.exp(min(max(self.launches) - min(self.launches), _LARGEST_LOG))
        return (
            f"its {len(self.launches)} launches differ by up to {apart:.3g}x, so that an interval would span more than "
            f"a factor of {WIDEST_INTERVAL:.0f}"
        )

    def log_interval(self, confidence: float = CONFIDENCE) -> tuple[float, float] | None:
        """Return the interval on the log scale; None with one launch."""
        count = len(self.launches)
        if count < 2:
            return None
        left_out = signed_rank_margin(count, 1 - confidence)
        if left_out is not None:
            return self._walsh[left_out] + self.shift, self._walsh[-1 - left_out] + self.shift
        from scipy.special import stdtrit

        half = float(stdtrit(count - 1, (1 + confidence) / 2)) * self._standard_error
        mean = statistics.fmean(self.launches)
        low, high = min(mean - half, *self.launches), max(mean + half, *self.launches)
        return low + self.shift, high + self.shift

    def relative_half_width(self) -> float | None:
        """Half the 95 % interval's width over the estimate; None where there is no interval."""
        interval = self.interval()
        return None if interval is None else (interval[1] - interval[0]) / 2 / self.value

    def moved_to(self, center: float) -> LogEstimate:
        """Return the same uncertainty around another centre."""
        return LogEstimate(self.launches, self.shift + center - self.center)

    def level_above(self, bound: float) -> float:
        """Return the smallest level, 1 - confidence, at which the interval lies above `bound` on the log scale."""
        return _level_above([value + self.shift for value in self.launches], bound)

    def level_below(self, bound: float) -> float:
        """Return the smallest level at which the interval lies below `bound`."""
        return _level_above([-value - self.shift for value in self.launches], -bound)

    @property
    def _standard_error(self) -> float:
        return statistics.stdev(self.launches) / math.sqrt(len(self.launches))


def estimate_over_launches(launches: Sequence[Sequence[float]]) -> LogEstimate | None:
    """Estimate from log values grouped by launch; the module says how.

    Args:
        launches: log latencies or log ratios, one sequence a launch; empty ones do not count.

    Returns:
        None where there is nothing at all.
    """
    medians = tuple(statistics.median(values) for values in launches if values)
    return LogEstimate(medians) if medians else None


def paired_log_ratios(
    baseline: Mapping[tuple[int, int], float], arm: Mapping[tuple[int, int], float]
) -> list[list[float]]:
    """Return log(baseline / arm) for every round that both have, grouped by launch.

    Args:
        baseline: (launch, round) -> the slice's latency.
        arm: likewise.
    """
    grouped: dict[int, list[float]] = {}
    for launch, number in sorted(baseline.keys() & arm.keys()):
        pair = (launch, number)
        grouped.setdefault(launch, []).append(math.log(baseline[pair] / arm[pair]))
    return list(grouped.values())


def signed_rank_margin(count: int, level: float) -> int | None:
    """Return how many Walsh averages to leave out at each end for an interval of confidence 1 - level.

    None where even the whole range, which misses the truth with probability 2 / 2**count, is not enough.
    """
    tail = signed_rank_tail(count)
    # The interval from Walsh average k+1 to the k+1st from above misses with probability 2 P(W <= k).
    margin = bisect_left(tail, True, key=lambda probability: 2 * probability > level * (1 + 1e-12))
    return margin - 1 if margin else None


@lru_cache(maxsize=128)
def signed_rank_tail(count: int) -> tuple[float, ...]:
    """Return P(W <= k) of the signed-rank statistic of `count` values, for k from 0 to its median, exactly."""
    ways = [1] + [0] * (count * (count + 1) // 2)
    for rank in range(1, count + 1):
        for total in range(len(ways) - 1, rank - 1, -1):
            ways[total] += ways[total - rank]
    running, tail = 0, []
    for number in ways[: len(ways) // 2 + 1]:
        running += number
        tail.append(running / 2**count)
    return tuple(tail)


def _level_above(launches: Sequence[float], bound: float) -> float:
    """Return twice the signed-rank tail beyond `bound`; beyond what ranks can say, Student's t."""
    count = len(launches)
    if count < 2:
        return 1.0
    walsh = [(one + other) / 2 for one, other in combinations_with_replacement(launches, 2)]
    below = sum(average <= bound for average in walsh)
    tail = signed_rank_tail(count)
    ranks = min(1.0, 2 * tail[below]) if below < len(tail) else 1.0
    return ranks if below else min(ranks, _t_level(launches, bound))


def _t_level(launches: Sequence[float], bound: float) -> float:
    """Return twice the t tail beyond `bound` for launches that all lie above it."""
    from scipy.special import stdtr

    distance = statistics.fmean(launches) - bound
    spread = statistics.stdev(launches)
    if spread == 0:
        return 0.0
    return min(1.0, 2 * float(stdtr(len(launches) - 1, -distance * math.sqrt(len(launches)) / spread)))

"""Estimates and their intervals. Pure functions of numbers; docs/statistics.md says the same for readers.

The estimator of a speedup. Within a round every arm ran once, close together in time, so slow and fast spells of
the machine fall on all of them: the logarithm of (baseline's latency / arm's latency) is taken per round. Within
a launch the median over rounds discards bursts that hit one arm only. A launch then counts as one observation,
since two processes of the same program differ for their whole life and more rounds do not average that out.
Over launches the estimate is the Hodges-Lehmann median of Walsh averages. The interval depends on the launches:

- one: there is none.
- two to six, and up to eleven where one has more than three times the rounds of another: Student's t of the weighted
  mean, by Hartung and Knapp. A launch of few rounds weighs less, see `variances.py`. Of six launches ranks would give
  the whole range, which is a quarter wider than t and holds no better where one launch in ten is bad.
- from seven on, or twelve where rounds are so unequal: Wilcoxon's signed rank. A bad launch of twelve or more hardly
  widens it, and one of seven to eleven by half of its distance from the others. It is exact for launches that scatter
  unequally. Where a confidence beyond its reach is asked for, as when many speedups are compared, the interval is
  Student's t, widened to hold every launch.

Launches so far apart that the bounds would differ by more than tenfold have no interval: it would decide nothing, and
Student's t of two launches reaches to absurd figures.


Sources: Kalibera and Jones, Rigorous Benchmarking in Reasonable Time, ISMM 2013 (levels of repetition); Hodges and
Lehmann, Estimates of Location Based on Rank Tests, 1963; Wilcoxon, Individual Comparisons by Ranking Methods, 1945;
Hartung and Knapp, A refined method for the meta-analysis of controlled clinical trials with binary outcome, 2001.
"""

from __future__ import annotations

import math
import statistics
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import combinations_with_replacement
from typing import Literal

from ortbench.results.variances import launch_weights

CONFIDENCE = 0.95
# An interval whose upper bound is more than so many times its lower one is not given: it would decide nothing.
WIDEST_INTERVAL = 10.0
# Beyond it the exponential is no float any more.
_LARGEST_LOG = 700.0
# From so many launches on ranks do no worse than t, and hold a bad launch better.
RANKS_FROM = 7
# From so many on they leave a bad launch out, a noisy one of few rounds as well.
_RANKS_ALWAYS_FROM = 12
# Launches are unequal where one has more than this many times the rounds of another.
_UNEQUAL_ROUNDS = 3

Method = Literal["one launch", "t", "weighted t", "ranks"]


@dataclass(frozen=True)
class LogEstimate:
    """An estimate on the log scale with its uncertainty.

    Attributes:
        launches: one natural logarithm of a latency or ratio for each launch; at least one.
        shift: added to every one of them, so that an interval can be printed beside another centre.
        weights: of the launches, relative to each other; empty where all count alike.
    """

    launches: tuple[float, ...]
    shift: float = 0.0
    weights: tuple[float, ...] = ()

    @cached_property
    def _walsh(self) -> list[float]:
        """All averages of two launches, each with itself too, ascending."""
        return sorted((one + other) / 2 for one, other in combinations_with_replacement(self.launches, 2))

    @property
    def method(self) -> Method:
        """How the interval is made; the module says why."""
        if len(self.launches) < 2:
            return "one launch"
        if len(self.launches) >= RANKS_FROM and not self.weights:
            return "ranks"
        return "weighted t" if len(set(self.weights)) > 1 else "t"

    @cached_property
    def center(self) -> float:
        """The natural logarithm of the estimate."""
        if len(set(self.weights)) < 2:
            return statistics.median(self._walsh) + self.shift
        pairs = combinations_with_replacement(zip(self.launches, self.weights, strict=True), 2)
        return (
            _weighted_median([((one + other) / 2, mine * yours) for (one, mine), (other, yours) in pairs]) + self.shift
        )

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
        left_out = signed_rank_margin(count, 1 - confidence) if self.method == "ranks" else None
        if left_out is not None:
            return self._walsh[left_out] + self.shift, self._walsh[-1 - left_out] + self.shift
        from scipy.special import stdtrit

        mean, error = self._mean_and_error
        half = float(stdtrit(count - 1, (1 + confidence) / 2)) * error
        # At what ranks cannot say, nothing lies outside that lay inside; and an estimate is never outside.
        held = self.launches if self.method == "ranks" else (self.center - self.shift,)
        return min(mean - half, *held) + self.shift, max(mean + half, *held) + self.shift

    def relative_half_width(self) -> float | None:
        """Half the 95 % interval's width over the estimate; None where there is no interval."""
        interval = self.interval()
        return None if interval is None else (interval[1] - interval[0]) / 2 / self.value

    def moved_to(self, center: float) -> LogEstimate:
        """Return the same uncertainty around another centre."""
        return LogEstimate(self.launches, self.shift + center - self.center, self.weights)

    def level_above(self, bound: float) -> float:
        """Return the smallest level, 1 - confidence, at which the interval lies above `bound` on the log scale."""
        return self._level(bound, 1)

    def level_below(self, bound: float) -> float:
        """Return the smallest level at which the interval lies below `bound`."""
        return self._level(bound, -1)

    def _level(self, bound: float, side: int) -> float:
        """Return twice the tail beyond `bound`; of ranks, and beyond what ranks can say of Student's t."""
        if len(self.launches) < 2:
            return 1.0
        if self.method != "ranks":
            return self._t_level(bound, side) if side * (self.center - bound) > 0 else 1.0
        beyond = sum(side * (average + self.shift - bound) <= 0 for average in self._walsh)
        tail = signed_rank_tail(len(self.launches))
        ranks = min(1.0, 2 * tail[beyond]) if beyond < len(tail) else 1.0
        return ranks if beyond else min(ranks, self._t_level(bound, side))

    def _t_level(self, bound: float, side: int) -> float:
        from scipy.special import stdtr

        mean, error = self._mean_and_error
        distance = side * (mean + self.shift - bound)
        if error == 0:
            return 0.0 if distance > 0 else 1.0
        return min(1.0, 2 * float(stdtr(len(self.launches) - 1, -distance / error)))

    @cached_property
    def _mean_and_error(self) -> tuple[float, float]:
        """Return the weighted mean and its standard error by Hartung and Knapp; alike weights give the usual ones."""
        weights = self.weights or (1.0,) * len(self.launches)
        total = math.fsum(weights)
        mean = math.fsum(weight * value for weight, value in zip(weights, self.launches, strict=True)) / total
        squares = math.fsum(weight * (value - mean) ** 2 for weight, value in zip(weights, self.launches, strict=True))
        return mean, math.sqrt(squares / total / (len(self.launches) - 1))


def estimate_over_launches(launches: Sequence[Sequence[float]]) -> LogEstimate | None:
    """Estimate from log values grouped by launch; the module says how.

    Args:
        launches: log latencies or log ratios, one sequence a launch; empty ones do not count.

    Returns:
        None where there is nothing at all.
    """
    filled = [values for values in launches if values]
    if not filled:
        return None
    medians = tuple(statistics.median(values) for values in filled)
    return LogEstimate(
        medians, weights=launch_weights(filled) if weighs_launches([len(values) for values in filled]) else ()
    )


def weighs_launches(rounds: Sequence[float]) -> bool:
    """Say whether launches count by what their rounds tell: where they are few, or unequal and not many.

    It depends on how many rounds there are and never on what they read, so that nothing is chosen by its result.

    Args:
        rounds: of each launch.
    """
    unequal = max(rounds) > _UNEQUAL_ROUNDS * min(rounds)
    return 1 < len(rounds) < (_RANKS_ALWAYS_FROM if unequal else RANKS_FROM)


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


def _weighted_median(pairs: Sequence[tuple[float, float]]) -> float:
    """Return the median of (value, weight) pairs; between two values where exactly half lies on either side."""
    ordered = sorted(pairs)
    half = math.fsum(weight for _, weight in ordered) / 2
    reached = 0.0
    for index, (value, weight) in enumerate(ordered):
        reached += weight
        if math.isclose(reached, half, rel_tol=1e-12) and index + 1 < len(ordered):
            return (value + ordered[index + 1][0]) / 2
        if reached > half:
            break
    return value

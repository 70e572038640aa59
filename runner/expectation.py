"""How wide an interval will be after so many launches of so many rounds. Pure functions; the planning minimises them.

The expected half-width is that of the estimator that will really be used (`results/statistics.py`): a factor for the
number of launches, times the standard deviation of one launch. The factors are of normal values and in units of that
standard deviation. Student's are exact, t(n - 1) c4(n) / sqrt(n); those of ranks are from 200 000 samples each, seeded.
`benchmarks/launch_planning.py --factors` prints both.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ortbench.results.statistics import weighs_launches
from ortbench.results.variances import (
    LEAST_SHARE,
    MEDIAN_FACTOR,
    USUAL_LAUNCH_SPREAD,
    between_variance,
    within_variance,
)

# fmt: off
# Of two launches and more.
STUDENT_FACTORS = (
    7.169, 2.202, 1.466, 1.167, 0.999, 0.887, 0.807, 0.745, 0.696, 0.655, 0.621, 0.592, 0.566, 0.544, 0.524,
    0.506, 0.490, 0.475, 0.462, 0.450, 0.438, 0.428, 0.418, 0.409, 0.400, 0.392, 0.384, 0.377, 0.370, 0.364,
    0.358, 0.352, 0.346, 0.341, 0.336, 0.331, 0.326, 0.322, 0.318,
)
# Of seven launches and more.
RANK_FACTORS = (
    0.930, 0.884, 0.813, 0.713, 0.698, 0.660, 0.610, 0.579, 0.561, 0.550, 0.530, 0.504, 0.487, 0.475, 0.468,
    0.455, 0.439, 0.428, 0.421, 0.409, 0.402, 0.397, 0.389, 0.379, 0.375, 0.366, 0.362, 0.356, 0.349, 0.344,
    0.340, 0.334, 0.330, 0.325,
)
# fmt: on
_FEWEST_FOR_RANKS = 7
# No interval: worse than any, so that two launches are always better than one.
_ONE_LAUNCH = 100.0
# What rounds of an ordinary machine vary by, where nothing was measured yet.
_USUAL_ROUND_SPREAD = 0.03


@dataclass(frozen=True)
class Scatter:
    """Variances of log ratios.

    Attributes:
        between: of launches, whatever their rounds.
        within: of rounds within a launch.
    """

    between: float = USUAL_LAUNCH_SPREAD**2
    within: float = _USUAL_ROUND_SPREAD**2

    def of_launch(self, rounds: float) -> float:
        """Return the variance of the median of a launch with so many rounds."""
        return self.between + MEDIAN_FACTOR * self.within / max(rounds, 1)


def scatter_of(launches: Sequence[Sequence[float]]) -> Scatter:
    """Return what one arm's paired log ratios, grouped by launch, show; the usual where there are none."""
    if not any(launches):
        return Scatter()
    within = within_variance(launches)
    return Scatter(between_variance(launches, within), within)


def expected_half_width(rounds: Sequence[float], scatter: Scatter) -> float:
    """Return the half-width to be expected, on the log scale, after launches of so many rounds each."""
    count = len(rounds)
    if count < 2:
        return _ONE_LAUNCH
    # Most launches are as long as others.
    alike = [(scatter.of_launch(own), number) for own, number in Counter(rounds).items()]
    if weighs_launches(rounds):
        least = min(alike)[0]
        weighed = [(max(least / variance, LEAST_SHARE), variance, number) for variance, number in alike]
        total = sum(weight * number for weight, _, number in weighed)
        of_mean = sum(number * (weight / total) ** 2 * variance for weight, variance, number in weighed)
        return _factor(STUDENT_FACTORS, 2, count) * math.sqrt(count * of_mean)
    mean = sum(variance * number for variance, number in alike) / count
    return _factor(RANK_FACTORS, _FEWEST_FOR_RANKS, count) * math.sqrt(mean)


def _factor(factors: Sequence[float], first: int, count: int) -> float:
    """Return a table's entry; beyond its end widths shrink with the root of the number."""
    last = first + len(factors) - 1
    return factors[min(count, last) - first] * math.sqrt(last / max(count, last))

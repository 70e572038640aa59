"""How much rounds and launches vary, and what each launch therefore weighs. Pure functions of paired log ratios.

A launch's median scatters for two reasons: its processes differ from those of other launches for their whole life
(`between`), and it has so many rounds and no more (`within`). Few launches say little about the first, so it is drawn
towards what is usual; rounds say much about the second.

Sources: the variance of launches beyond what their rounds explain is DerSimonian and Laird's moment (Meta-analysis in
clinical trials, 1986) in its simplest form; weights of 1 / variance are theirs, too.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

# Two launches of one engine differ by about this much (docs/statistics.md); it counts as much as eight launches.
USUAL_LAUNCH_SPREAD = 0.007
_WEIGHT_OF_USUAL = 8
_SMALLEST_LAUNCH_SPREAD = 0.002
# A median over n normal values has pi/2 times the variance of their mean.
MEDIAN_FACTOR = math.pi / 2
# No launch weighs less than this share of the heaviest. Weights of variances that are known only roughly make the
# interval too narrow: without this bound 0.90 to 0.94 of them hold the truth where launches differ by 2 to 5 %,
# with it 0.94 and more (benchmarks/launch_planning.py).
LEAST_SHARE = 0.25


def robust_variance(values: Sequence[float]) -> float:
    """Return the variance that a normal distribution with the same median absolute deviation has."""
    middle = statistics.median(values)
    return (1.4826 * statistics.median(abs(value - middle) for value in values)) ** 2


def within_variance(launches: Sequence[Sequence[float]]) -> float:
    """Return the variance of rounds within launches, pooled by the number of rounds; 0 where no launch has two."""
    weighted = [(len(values), robust_variance(values)) for values in launches if len(values) > 1]
    total = sum(count for count, _ in weighted)
    return sum(count * variance for count, variance in weighted) / total if total else 0.0


def between_variance(launches: Sequence[Sequence[float]], within: float) -> float:
    """Return the variance of launches beyond what their rounds explain, drawn towards the usual.

    Robust, so that one bad launch does not change how all that follow are planned.
    """
    medians = [statistics.median(values) for values in launches if values]
    usual = USUAL_LAUNCH_SPREAD**2
    if len(medians) > 1:
        usual = _shrunken(robust_variance(medians), launches, within)
    return max(usual, _SMALLEST_LAUNCH_SPREAD**2)


def launch_weights(launches: Sequence[Sequence[float]]) -> tuple[float, ...]:
    """Return what each launch weighs, the heaviest 1: 1 / (between + pi/2 within / rounds), and a quarter at least.

    Args:
        launches: log values of rounds, one sequence a launch, none of them empty.
    """
    within = within_variance(launches)
    between = USUAL_LAUNCH_SPREAD**2
    if len(launches) > 1:
        seen = statistics.variance([statistics.median(values) for values in launches])
        beyond = _beyond_rounds(seen, launches, within)
        # Where launches are seen to differ more than is usual, rounds matter less, and weights become alike.
        between = max(beyond, _shrunken(seen, launches, within))
    variances = [between + MEDIAN_FACTOR * within / len(values) for values in launches]
    return tuple(max(min(variances) / variance, LEAST_SHARE) for variance in variances)


def _shrunken(seen: float, launches: Sequence[Sequence[float]], within: float) -> float:
    count = sum(bool(values) for values in launches)
    beyond = _beyond_rounds(seen, launches, within)
    return (_WEIGHT_OF_USUAL * USUAL_LAUNCH_SPREAD**2 + count * beyond) / (_WEIGHT_OF_USUAL + count)


def _beyond_rounds(seen: float, launches: Sequence[Sequence[float]], within: float) -> float:
    """Return what is left of the variance of medians when what their rounds explain is taken away."""
    rounds = statistics.harmonic_mean([len(values) for values in launches if values])
    return max(0.0, seen - MEDIAN_FACTOR * within / rounds)

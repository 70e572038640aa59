"""Everybody in a race on one scale, whoever ran with whom. Pure functions of slices.

In a race not everybody meets everybody: few run side by side, and who leads changes. So all rounds are taken together.
What a configuration took in one launch is, on the log scale, the sum of

- its own value, which is wanted;
- the machine's speed in these rounds, the same for all that shared them: two measurements one after the other usually
  differ by up to 16 %, a spread of 7.5 %, and now and then by far more (docs/statistics.md). So figures are given with
  the usual spread, and nobody is compared with somebody else by less than 25 %, or what is seen, if that is more;
- what makes two launches of one engine differ: spread 0.7 % (docs/statistics.md);
- noise of rounds: one slice's spread is 1.4 % (2 % for a pair), or what these slices show, if that is more.

Generalized least squares with these variances gives every value, and the standard error of every difference: small
between those that shared rounds, or each shared some with a third, and large between those that have nothing but their
figures. How much the launches really scatter scales all variances; the assumed ones count as eight launches where
launches scatter less, and not at all where they scatter more. Two that shared six launches or more need no assumption:
their interval is at least as wide as Student's over the differences in these launches, which holds also where one of
them scatters more than everybody else.

This is a mixed model (Henderson, 1975) as it is used for incomplete blocks, a block being the rounds of one launch.
"""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec

from ortbench.results.contest import Slices
from ortbench.results.statistics import CONFIDENCE

USUAL_SPREAD = 0.075
CAUTIOUS_SPREAD = 0.25
_SPREAD_STEPS = 3
_NS_PER_MS = 1e6
_NS_PER_S = 1e9
_LAUNCH_SPREAD = 0.007
_SLICE_SPREAD = 0.02 / math.sqrt(2)
# So many launches' worth of belief in these.
_ASSUMED = 8
# From so many on launches speak for themselves.
ENOUGH_LAUNCHES = 6
# The variance of a median over n normal values is pi/2 times that of their mean.
_MEDIAN_FACTOR = math.pi / 2
# Fewer slices show a burst, but not whether most were bursts.
_SLICES_FOR_ROBUST = 5
# How far the middle of three normal values is from the smallest, in standard deviations.
_GAP_OF_THREE = 0.846

Block = tuple[int, frozenset[str]]
Interval = tuple[float, float]


@dataclass(frozen=True)
class Observation:
    """What one configuration took in the rounds of one launch that it shared with the same others.

    Attributes:
        value: the logarithm.
        variance: of launch and rounds together.
    """

    name: str
    block: Block
    value: float
    variance: float


def observe(slices: Slices) -> list[Observation]:
    """Return an observation for each configuration and block."""
    rounds: dict[tuple[int, int], dict[str, float]] = defaultdict(dict)
    for name, own in slices.items():
        for place, took in own.items():
            rounds[place][name] = math.log(took)
    blocks: dict[Block, list[dict[str, float]]] = defaultdict(list)
    for (launch, _), values in sorted(rounds.items()):
        blocks[launch, frozenset(values)].append(values)
    return [one for block, values in blocks.items() for one in _block(block, values)]


def _block(block: Block, rounds: Sequence[dict[str, float]]) -> list[Observation]:
    levels = [statistics.median(values.values()) for values in rounds]
    level = statistics.median(levels)
    return [
        # Bursts only make slices slower; what the lower of two middle ones favours, it favours for the whole block.
        Observation(name, block, level + statistics.median_low(own), _variance(own, len(block[1])))
        for name in sorted(block[1])
        for own in [[values[name] - middle for values, middle in zip(rounds, levels, strict=True)]]
    ]


def _variance(own: Sequence[float], members: int) -> float:
    """Return the variance of one observation.

    Args:
        own: of each round, less the middle of those that shared it.
        members: how many shared it: of few, the middle moves with each.
    """
    count, ordered = len(own), sorted(own)
    middle = statistics.median_low(ordered)
    # Of a single round nobody knows whether a spell began or ended in its middle.
    spread = CAUTIOUS_SPREAD
    if count >= _SLICES_FOR_ROBUST:
        spread = 1.4826 * statistics.median(abs(value - middle) for value in own)
    elif count > 2:
        # A burst is at the slow end, unless most were bursts: then the middle is far from the fastest.
        spread = (middle - ordered[0]) / _GAP_OF_THREE
    elif count == 2:
        spread = statistics.stdev(own)
    spread *= math.sqrt(members / max(members - 1, 1))
    factor = _MEDIAN_FACTOR if count > 2 else 1.0
    return _LAUNCH_SPREAD**2 + factor * max(spread, _SLICE_SPREAD) ** 2 / count


@dataclass(frozen=True)
class Standings:
    """The values of all that ran.

    Attributes:
        observations: at least one.
        machine_spread: by how much the machine's speed differs from block to block.
    """

    observations: Sequence[Observation]
    machine_spread: float = CAUTIOUS_SPREAD

    @cached_property
    def usual(self) -> Standings:
        """The same, believing that the machine is as it usually is."""
        return Standings(self.observations, USUAL_SPREAD)

    @cached_property
    def names(self) -> list[str]:
        """Everybody that ran."""
        return sorted({one.name for one in self.observations})

    @cached_property
    def _blocks(self) -> list[Block]:
        return list(dict.fromkeys(one.block for one in self.observations))

    @cached_property
    def _index(self) -> dict[str, int]:
        return {name: index for index, name in enumerate(self.names)}

    @cached_property
    def _solved(self) -> tuple[Any, Any, float]:
        """Return the values, their covariance, and its degrees of freedom."""
        import numpy as np

        names, blocks = self._index, {block: index for index, block in enumerate(self._blocks)}
        count = len(self.observations)
        design = np.zeros((count, len(names) + len(blocks)))
        for row, one in enumerate(self.observations):
            design[row, names[one.name]] = design[row, len(names) + blocks[one.block]] = 1
        values = np.array([one.value for one in self.observations])
        mean = values.mean()
        weights = 1 / np.array([one.variance for one in self.observations])
        spread = self.machine_spread
        for _ in range(_SPREAD_STEPS):
            penalty = np.diag([1e-6] * len(names) + [spread**-2] * len(blocks))
            inverse = np.linalg.inv(design.T @ (weights[:, None] * design) + penalty)
            solution = inverse @ (design.T @ (weights * (values - mean)))
            # A machine that is seen to change more than that is believed to.
            spread = max(spread, float(np.sqrt(np.mean(solution[len(names) :] ** 2))))
        residuals = values - mean - design @ solution
        # What the fit used up, machine speeds shrunk as they are.
        spare = max(0.0, count - float(np.trace(inverse @ (design.T @ (weights[:, None] * design)))))
        excess = float(np.sum(weights * residuals**2))
        scale = max((_ASSUMED + excess) / (_ASSUMED + spare), excess / max(spare, 1.0))
        return solution[: len(names)] + mean, scale * inverse, _ASSUMED + spare

    def value(self, name: str) -> float:
        """Return the logarithm of what it takes, with the machine at its usual speed."""
        values, _, _ = self._solved
        return float(values[self._index[name]])

    def error(self, name: str) -> float:
        """Return the standard error of that."""
        _, covariance, _ = self._solved
        index = self._index[name]
        return math.sqrt(covariance[index, index])

    def interval(self, name: str, confidence: float) -> Interval:
        """Return the interval of the logarithm of what it takes."""
        half = self._quantile(confidence) * self.error(name)
        return self.value(name) - half, self.value(name) + half

    def difference(self, name: str, other: str, confidence: float) -> Interval:
        """Return the interval of the logarithm of how many times longer `name` takes than `other`."""
        _, covariance, _ = self._solved
        one, two = self._index[name], self._index[other]
        variance = covariance[one, one] + covariance[two, two] - 2 * covariance[one, two]
        half = self._quantile(confidence) * math.sqrt(max(variance, 0.0))
        half = max(half, _half_width(self._differences(name, other), confidence))
        center = self.value(name) - self.value(other)
        return center - half, center + half

    def _differences(self, name: str, other: str) -> list[float]:
        """Return how they differed in each launch in which they shared rounds."""
        values: dict[Block, dict[str, float]] = defaultdict(dict)
        for one in self.observations:
            if one.name in (name, other):
                values[one.block][one.name] = one.value
        launches: dict[int, list[float]] = defaultdict(list)
        for (launch, _), both in values.items():
            if len(both) > 1:
                launches[launch].append(both[name] - both[other])
        return [statistics.fmean(own) for own in launches.values()]

    def _quantile(self, confidence: float) -> float:
        _, _, freedom = self._solved
        return _student(confidence, freedom)


def _student(confidence: float, freedom: float) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1 + confidence) / 2))


def _half_width(differences: Sequence[float], confidence: float) -> float:
    """Return Student's half-width of the mean over launches; 0 where there are too few to do without assumptions."""
    count = len(differences)
    if count < ENOUGH_LAUNCHES:
        return 0.0
    return _student(confidence, count - 1) * statistics.stdev(differences) / math.sqrt(count)


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """A figure with its interval, 95 % where nothing else is said."""

    value: float
    ci95: Interval


def figure(standings: Standings, name: str, objective: str, confidence: float = CONFIDENCE) -> Figure:
    """Return what was measured: ns a batch as ms, ns an item as items per second."""
    usual = standings.usual
    value, (low, high) = math.exp(usual.value(name)), map(math.exp, usual.interval(name, confidence))
    if objective == "latency":
        return Figure(value=value / _NS_PER_MS, ci95=(low / _NS_PER_MS, high / _NS_PER_MS))
    return Figure(value=_NS_PER_S / value, ci95=(_NS_PER_S / high, _NS_PER_S / low))


def ratio(standings: Standings, name: str, over: str, confidence: float = CONFIDENCE) -> Figure:
    """Return how many times better `name` is than `over`."""
    low, high = standings.difference(over, name, confidence)
    return Figure(value=math.exp((low + high) / 2), ci95=(math.exp(low), math.exp(high)))

"""Estimates and their intervals. Pure functions of numbers.

The estimator of a speedup: within a round every arm ran once, close together in time, so slow and fast spells
of the machine fall on all of them; the logarithm of (baseline's latency / arm's latency) is taken per round.
Within a launch the median over rounds discards bursts that hit one arm only. A launch then counts as one
observation, since two processes of the same program differ for their whole life and more rounds do not
average that out; the interval is Student's t over launches, on the log scale. A single launch gives no interval.
Source: Kalibera and Jones, Rigorous Benchmarking in Reasonable Time, ISMM 2013 (levels of repetition).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

CONFIDENCE = 0.95
# The fewest samples of which an upper percentile says something: 10 beyond the 90th, 95th and 99th.
_PERCENTILE_MINIMUM = {90: 100, 95: 200, 99: 1000}


@dataclass(frozen=True)
class LogEstimate:
    """An estimate on the log scale with its uncertainty.

    Attributes:
        center: the natural logarithm of the estimated latency or ratio.
        standard_error: of `center`, from the spread between launches; None with one launch.
        degrees_of_freedom: launches - 1.
    """

    center: float
    standard_error: float | None
    degrees_of_freedom: int

    @property
    def value(self) -> float:
        """The estimate on its own scale."""
        return math.exp(self.center)

    def interval(self, confidence: float = CONFIDENCE) -> tuple[float, float] | None:
        """Return the interval on the estimate's own scale; None where the spread is unknown."""
        if self.standard_error is None:
            return None
        from scipy.special import stdtrit

        half = float(stdtrit(self.degrees_of_freedom, (1 + confidence) / 2)) * self.standard_error
        return math.exp(self.center - half), math.exp(self.center + half)

    def relative_half_width(self) -> float | None:
        """Half the 95 % interval's width over the estimate; None where the spread is unknown."""
        interval = self.interval()
        return None if interval is None else (interval[1] - interval[0]) / 2 / self.value


def estimate_over_launches(launches: Sequence[Sequence[float]]) -> LogEstimate | None:
    """Estimate from log values grouped by launch: median within, mean and t over launches.

    Args:
        launches: log latencies or log ratios, one sequence a launch; empty ones do not count.

    Returns:
        None where there is nothing at all.
    """
    medians = [statistics.median(values) for values in launches if values]
    if not medians:
        return None
    center = statistics.fmean(medians)
    error = statistics.stdev(medians) / math.sqrt(len(medians)) if len(medians) > 1 else None
    return LogEstimate(center, error, len(medians) - 1)


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


def percentile(ordered: Sequence[float], percent: int) -> float | None:
    """Return a percentile, linear between order statistics, or None where the samples are too few for it.

    Args:
        ordered: samples in ascending order.
        percent: 90, 95 or 99.
    """
    if len(ordered) < _PERCENTILE_MINIMUM[percent]:
        return None
    whole, part = divmod((len(ordered) - 1) * percent, 100)
    above = ordered[min(whole + 1, len(ordered) - 1)]
    return ordered[whole] + (above - ordered[whole]) * part / 100


def p_outside(estimate: LogEstimate, band: float) -> float:
    """Return the smallest level at which the estimate's interval is clear of [-band, band] on the log scale."""
    return _tail(estimate, abs(estimate.center) - band)


def p_inside(estimate: LogEstimate, band: float) -> float:
    """Return the smallest level at which the estimate's interval lies within [-band, band]."""
    return _tail(estimate, band - abs(estimate.center))


def _tail(estimate: LogEstimate, distance: float) -> float:
    """Return twice the t tail beyond `distance`: the level whose interval reaches just that far."""
    if estimate.standard_error is None or distance <= 0:
        return 1.0
    if estimate.standard_error == 0:
        return 0.0
    from scipy.special import stdtr

    return 2 * float(stdtr(estimate.degrees_of_freedom, -distance / estimate.standard_error))

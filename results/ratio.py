"""A figure with its interval, as files and tables carry it."""

from __future__ import annotations

import math
from collections import defaultdict

import msgspec

from ortbench.results.contest import SlicesOfOne
from ortbench.results.statistics import LogEstimate, estimate_over_launches, paired_log_ratios

_NS_PER_MS = 1e6
_NS_PER_S = 1e9


class Ratio(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A figure with its 95 % interval, None with too few launches."""

    value: float
    ci95: tuple[float, float] | None = None


# What is compared with itself.
EXACTLY_ONE = Ratio(value=1.0, ci95=(1.0, 1.0))


def figure_of(slices: SlicesOfOne, objective: str) -> Ratio | None:
    """Return what slices took, over launches: ns a batch as ms, or ns an item as items per second."""
    by_launch: dict[int, list[float]] = defaultdict(list)
    for (launch, _), took in slices.items():
        by_launch[launch].append(math.log(took))
    found = _ratio(estimate_over_launches(list(by_launch.values())))
    if found is None:
        return None
    if objective == "latency":
        bounds = (found.ci95[0] / _NS_PER_MS, found.ci95[1] / _NS_PER_MS) if found.ci95 else None
        return Ratio(value=found.value / _NS_PER_MS, ci95=bounds)
    bounds = (_NS_PER_S / found.ci95[1], _NS_PER_S / found.ci95[0]) if found.ci95 else None
    return Ratio(value=_NS_PER_S / found.value, ci95=bounds)


def paired_ratio(over: SlicesOfOne, under: SlicesOfOne) -> Ratio | None:
    """Return how many times more one took than another, paired by round; None where they never met."""
    return _ratio(estimate_over_launches(paired_log_ratios(over, under)))


def _ratio(estimate: LogEstimate | None) -> Ratio | None:
    return Ratio(value=estimate.value, ci95=estimate.interval()) if estimate else None


def widest_ratio(over: Ratio, under: Ratio) -> Ratio:
    """Return the ratio of two figures that are not paired: the widest interval that theirs allow."""
    bounds = None
    if over.ci95 and under.ci95:
        bounds = (over.ci95[0] / under.ci95[1], over.ci95[1] / under.ci95[0])
    return Ratio(value=over.value / under.value, ci95=bounds)

"""A figure with its interval, as files and tables carry it."""

from __future__ import annotations

import msgspec

from ortbench.results.statistics import LogEstimate


class Ratio(msgspec.Struct, frozen=True, kw_only=True):
    """A figure with its 95 % interval, None with too few launches."""

    value: float
    ci95: tuple[float, float] | None = None


# What is compared with itself.
EXACTLY_ONE = Ratio(value=1.0, ci95=(1.0, 1.0))


def ratio_of(estimate: LogEstimate | None) -> Ratio | None:
    """Return an estimate on its own scale."""
    return Ratio(value=estimate.value, ci95=estimate.interval()) if estimate else None


def widest_ratio(over: Ratio, under: Ratio) -> Ratio:
    """Return the ratio of two figures that are not paired: the widest interval that theirs allow."""
    bounds = None
    if over.ci95 and under.ci95:
        bounds = (over.ci95[0] / under.ci95[1], over.ci95[1] / under.ci95[0])
    return Ratio(value=over.value / under.value, ci95=bounds)

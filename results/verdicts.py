"""Faster, slower, same or inconclusive: what an interval allows one to say. Pure functions."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Literal

from ortbench.results.statistics import CONFIDENCE, LogEstimate

Verdict = Literal["faster", "slower", "same", "inconclusive", "withheld"]

# A difference below this is no difference to a user, however well it is resolved: the default of --margin.
DEFAULT_MARGIN = 0.01


def decide(estimates: Sequence[LogEstimate | None], margin: float = DEFAULT_MARGIN) -> list[Verdict]:
    """Return one verdict per log speedup, protected against many comparisons (Holm 1979).

    The band reaches from 1/(1 + margin) to 1 + margin, whatever the noise: a noisy machine makes intervals wide, and
    must not make differences negligible. `faster` or `slower` when the widened interval is clear of it, `same` when it
    lies inside it, `inconclusive` otherwise and where there is no interval. The chance that any verdict other than
    inconclusive is wrong stays at most 5 %.
    """
    likeliest = [_likeliest(estimate, margin) for estimate in estimates]
    verdicts: list[Verdict] = ["inconclusive"] * len(estimates)
    by_evidence = sorted(range(len(estimates)), key=lambda index: likeliest[index][0])
    for rank, index in enumerate(by_evidence):
        level, verdict = likeliest[index]
        if level > (1 - CONFIDENCE) / (len(estimates) - rank):
            break
        verdicts[index] = verdict
    return verdicts


def decide_on_interval(interval: tuple[float, float] | None, margin: float = DEFAULT_MARGIN) -> Verdict:
    """Return the verdict of one ratio of which only the interval is known, as from a CSV."""
    if interval is None:
        return "inconclusive"
    low, high = interval
    if low > 1 + margin:
        return "faster"
    if high < 1 / (1 + margin):
        return "slower"
    return "same" if low >= 1 / (1 + margin) and high <= 1 + margin else "inconclusive"


def resolution(twins: Sequence[LogEstimate]) -> float | None:
    """Return the smallest difference that a study can show: how far from 1 its twins' intervals reach.

    It is printed, and decides nothing.

    Returns:
        The median over the twins of more than one launch, as a fraction; None where there is none, or where most of
        them differ too much between launches to have an interval.
    """
    known = [twin for twin in twins if len(twin.launches) > 1]
    reaches = [_reach(twin) for twin in known]
    middle = statistics.median_high(reaches) if reaches else math.inf
    return None if math.isinf(middle) else math.expm1(statistics.median(reaches))


def _reach(twin: LogEstimate) -> float:
    bounds = twin.interval()
    return math.inf if bounds is None else max(abs(math.log(bound)) for bound in bounds)


def _likeliest(estimate: LogEstimate | None, margin: float) -> tuple[float, Verdict]:
    """Return the verdict that an estimate speaks for, and the level at which it does."""
    if estimate is None or estimate.interval() is None:
        return 1.0, "inconclusive"
    width = math.log1p(margin)
    candidates: list[tuple[float, Verdict]] = [
        (estimate.level_above(width), "faster"),
        (estimate.level_below(-width), "slower"),
        (max(estimate.level_above(-width), estimate.level_below(width)), "same"),
    ]
    return min(candidates, key=lambda pair: pair[0])

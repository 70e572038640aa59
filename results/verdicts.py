"""Faster, slower, same or inconclusive: what an interval allows one to say. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from ortbench.results.statistics import CONFIDENCE, LogEstimate, p_inside, p_outside

Verdict = Literal["faster", "slower", "same", "inconclusive", "withheld"]

# A difference below this is no difference to a user, however well it is resolved.
SMALLEST_BAND = 0.01


def decide(estimates: Sequence[LogEstimate | None], band: float = SMALLEST_BAND) -> list[Verdict]:
    """Return one verdict per log speedup, protected against many comparisons (Holm 1979).

    With a band of ±band: `faster` or `slower` when the widened interval is clear of it, `same` when it lies
    inside, `inconclusive` otherwise and where there is no interval. The chance that any verdict other than
    inconclusive is wrong stays at most 5 %.
    """
    width = math.log1p(band)
    levels = [1.0 if e is None else min(p_outside(e, width), p_inside(e, width)) for e in estimates]
    verdicts: list[Verdict] = ["inconclusive"] * len(estimates)
    by_evidence = sorted(range(len(estimates)), key=lambda index: levels[index])
    for rank, index in enumerate(by_evidence):
        estimate = estimates[index]
        if estimate is None or levels[index] > (1 - CONFIDENCE) / (len(estimates) - rank):
            break
        verdicts[index] = _direction(estimate.center, width)
    return verdicts


def decide_on_interval(interval: tuple[float, float] | None, band: float = SMALLEST_BAND) -> Verdict:
    """Return the verdict of one ratio of which only the interval is known, as from a CSV."""
    if interval is None:
        return "inconclusive"
    low, high = interval
    if low > 1 + band:
        return "faster"
    if high < 1 / (1 + band):
        return "slower"
    return "same" if low >= 1 / (1 + band) and high <= 1 + band else "inconclusive"


def _direction(center: float, width: float) -> Verdict:
    if abs(center) <= width:
        return "same"
    return "faster" if center > 0 else "slower"

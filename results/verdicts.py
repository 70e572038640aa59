"""Faster, slower, same or inconclusive: what an interval allows one to say, and when nothing may be said. Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Literal

from ortbench.results.statistics import CONFIDENCE, LogEstimate

Verdict = Literal["faster", "slower", "same", "inconclusive", "withheld"]

# A difference below this is no difference to a user, however well it is resolved.
SMALLEST_BAND = 0.01
# What `ortbench doctor` asks of a machine: a study that cannot tell 5 % apart cannot call two engines the same.
WIDEST_SAME = 0.05
# For each of two tests; twins that share a launch are not independent, so these are not exact.
_FALSE_ALARM = 0.005
# How the note begins that says why verdicts are withheld.
DISTRUST = "the baseline differs from its own twin"


def decide(estimates: Sequence[LogEstimate | None], band: float = SMALLEST_BAND) -> list[Verdict]:
    """Return one verdict per log speedup, protected against many comparisons (Holm 1979).

    With a band of ±band: `faster` or `slower` when the widened interval is clear of it, `same` when it lies
    inside it and inside ±5 %, `inconclusive` otherwise and where there is no interval. The chance that any verdict
    other than inconclusive is wrong stays at most 5 %.
    """
    likeliest = [_likeliest(estimate, band) for estimate in estimates]
    verdicts: list[Verdict] = ["inconclusive"] * len(estimates)
    by_evidence = sorted(range(len(estimates)), key=lambda index: likeliest[index][0])
    for rank, index in enumerate(by_evidence):
        level, verdict = likeliest[index]
        if level > (1 - CONFIDENCE) / (len(estimates) - rank):
            break
        verdicts[index] = verdict
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
    alike = 1 + min(band, WIDEST_SAME)
    return "same" if low >= 1 / alike and high <= alike else "inconclusive"


def resolution(twins: Sequence[LogEstimate]) -> float | None:
    """Return the smallest difference that a study can show: how far from 1 its twins' intervals reach.

    The median over the twins, as a fraction; None where no twin has an interval.
    """
    reaches = [max(map(abs, bounds)) for twin in twins if (bounds := twin.log_interval())]
    return math.expm1(statistics.median(reaches)) if reaches else None


def distrust(twins: Sequence[LogEstimate]) -> str | None:
    """Say why verdicts must be withheld: the baseline differs from itself more often than chance allows.

    Each twin's interval excludes 1 by chance once in twenty times; the number that do is binomial. A single twin
    is enough where it would do so at a level of 1 % divided by their number (Bonferroni).
    """
    levels = [min(twin.level_above(0.0), twin.level_below(0.0)) for twin in twins]
    count, apart = len(levels), sum(level <= 1 - CONFIDENCE for level in levels)
    if not apart or (min(levels) * count > _FALSE_ALARM and _binomial_tail(apart, count) > _FALSE_ALARM):
        return None
    return (
        f"{DISTRUST} in {apart} of {count} comparisons, which chance does not explain: "
        "verdicts are withheld. `ortbench doctor` looks for the reason"
    )


def _likeliest(estimate: LogEstimate | None, band: float) -> tuple[float, Verdict]:
    """Return the verdict that an estimate speaks for, and the level at which it does."""
    if estimate is None:
        return 1.0, "inconclusive"
    width, alike = math.log1p(band), math.log1p(min(band, WIDEST_SAME))
    candidates: list[tuple[float, Verdict]] = [
        (estimate.level_above(width), "faster"),
        (estimate.level_below(-width), "slower"),
        (max(estimate.level_above(-alike), estimate.level_below(alike)), "same"),
    ]
    return min(candidates, key=lambda pair: pair[0])


def _binomial_tail(successes: int, count: int) -> float:
    """Return the probability of at least so many intervals of 95 % missing by chance."""
    miss = 1 - CONFIDENCE
    return sum(
        math.comb(count, number) * miss**number * (1 - miss) ** (count - number)
        for number in range(successes, count + 1)
    )

"""Do the intervals hold what they promise? Studies are simulated whole, stopping rule and all."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from ortbench.results.statistics import LogEstimate, estimate_over_launches
from ortbench.runner.budget import CellState
from ortbench.runner.costs import CellCost

TRUTH = math.log(1.7)
CALL_S = 0.04
CORRELATION_S = 3.0
ROUND_NOISE, SPELLS, LAUNCH_BIAS, DRIFT = 0.01, 0.04, 0.007, 0.1
BURSTS, BAD_LAUNCHES = 0.2, 0.1
STUDIES = 600


def machine_speed(generator: np.random.Generator, calls: int) -> NDArray[np.float64]:
    """Return the log slowness of the machine at each call: correlated over seconds, and drifting."""
    keep = math.exp(-CALL_S / CORRELATION_S)
    steps = generator.normal(0, SPELLS * math.sqrt(1 - keep**2), calls)
    level = generator.normal(0, SPELLS)
    speeds = np.empty(calls)
    for index in range(calls):
        level = keep * level + steps[index]
        speeds[index] = level
    return speeds + np.linspace(0, DRIFT, calls)


def one_launch(generator: np.random.Generator, rounds: int, *, hostile: bool) -> list[float]:
    """Return the log ratio of each round: two arms turn by turn, in an order that changes."""
    speed = machine_speed(generator, 2 * rounds)
    first = generator.random(rounds) < 0.5
    baseline = np.where(first, speed[0::2], speed[1::2]) + generator.normal(0, ROUND_NOISE, rounds)
    arm = np.where(first, speed[1::2], speed[0::2]) + generator.normal(0, ROUND_NOISE, rounds)
    bias = generator.normal(0, LAUNCH_BIAS)
    if hostile:
        struck, which = generator.random(rounds) < BURSTS, generator.random(rounds) < 0.5
        slower = np.log(generator.uniform(1, 3, rounds))
        baseline = baseline + np.where(struck & which, slower, 0)
        arm = arm + np.where(struck & ~which, slower, 0)
        if generator.random() < BAD_LAUNCHES:
            bias += generator.choice((-1, 1)) * generator.uniform(0.05, 0.5)
    ratios: list[float] = (TRUTH + bias + baseline - arm).tolist()
    return ratios


def one_study(generator: np.random.Generator, rounds: int, target: float, *, hostile: bool) -> LogEstimate:
    """Run launches until the target is met, as a study does, but at most thirty."""
    launches = [one_launch(generator, rounds, hostile=hostile)]
    estimate = LogEstimate((0.0,))
    while len(launches) < 30:
        launches.append(one_launch(generator, rounds, hostile=hostile))
        estimate = estimate_over_launches(launches) or estimate
        excess = (estimate.relative_half_width() or math.inf) / target
        if CellState("b1-t2", CellCost(1, 1), len(launches), excess).done:
            break
    return estimate


@pytest.mark.parametrize("rounds", [12, 40])
@pytest.mark.parametrize("target", [0.01, 0.02])
@pytest.mark.parametrize("hostile", [False, True])
def test_intervals_cover_the_truth_with_the_stopping_rule_on(rounds: int, target: float, *, hostile: bool) -> None:
    generator = np.random.default_rng(20260131)
    intervals = [one_study(generator, rounds, target, hostile=hostile).log_interval() for _ in range(STUDIES)]
    covered = sum(bounds is not None and bounds[0] <= TRUTH <= bounds[1] for bounds in intervals)
    assert covered / STUDIES >= 0.93


@pytest.mark.parametrize("count", [3, 4, 5])
def test_intervals_of_a_study_that_is_out_of_time_after_few_launches_cover_the_truth(count: int) -> None:
    """So few launches leave ranks nothing to leave out: the interval is Student's."""
    generator = np.random.default_rng(20260131)
    covered = 0
    for _ in range(STUDIES):
        estimate = estimate_over_launches([one_launch(generator, 12, hostile=True) for _ in range(count)])
        bounds = estimate.log_interval() if estimate else None
        covered += bounds is not None and bounds[0] <= TRUTH <= bounds[1]
    assert covered / STUDIES >= 0.93


def test_ignoring_launches_would_not_pass() -> None:
    """The check can fail: the same studies, with every round taken for an independent one."""
    generator = np.random.default_rng(20260131)
    covered = 0
    for _ in range(200):
        rounds = [value for _ in range(8) for value in one_launch(generator, 40, hostile=False)]
        half = 1.96 * float(np.std(rounds)) / math.sqrt(len(rounds))
        covered += abs(float(np.mean(rounds)) - TRUTH) <= half
    assert covered / 200 < 0.8

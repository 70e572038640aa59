from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ortbench.results.statistics import (
    LogEstimate,
    estimate_over_launches,
    p_inside,
    p_outside,
    paired_log_ratios,
    percentile,
)

LOGS = st.floats(-3, 3)


def test_nothing_gives_no_estimate() -> None:
    assert estimate_over_launches([]) is None
    assert estimate_over_launches([[], []]) is None


def test_one_launch_gives_an_estimate_without_an_interval() -> None:
    estimate = estimate_over_launches([[0.1, 0.2, 0.9]])
    assert estimate is not None
    assert estimate.value == pytest.approx(math.exp(0.2))
    assert estimate.interval() is None
    assert estimate.relative_half_width() is None


def test_the_interval_is_students_over_launch_medians() -> None:
    estimate = estimate_over_launches([[0.0, 0.1, 5.0], [0.3], [0.2, 0.2]])
    assert estimate is not None
    assert estimate.center == pytest.approx(0.2)
    # t(0.975, 2) = 4.302653, standard error 0.1/sqrt(3).
    half = 4.302653 * 0.1 / math.sqrt(3)
    assert estimate.interval() == pytest.approx((math.exp(0.2 - half), math.exp(0.2 + half)))


@given(st.lists(st.lists(LOGS, min_size=1, max_size=5), min_size=2, max_size=8), LOGS)
def test_a_common_factor_moves_the_interval_and_not_its_relative_width(
    launches: list[list[float]], shift: float
) -> None:
    plain = estimate_over_launches(launches)
    moved = estimate_over_launches([[value + shift for value in launch] for launch in launches])
    assert plain is not None
    assert moved is not None
    assert moved.center == pytest.approx(plain.center + shift, abs=1e-9)
    assert moved.relative_half_width() == pytest.approx(plain.relative_half_width(), rel=1e-6, abs=1e-9)


@given(st.dictionaries(st.tuples(st.integers(1, 3), st.integers(1, 5)), st.floats(0.1, 1e3)))
def test_swapping_the_arms_inverts_every_ratio(slices: dict[tuple[int, int], float]) -> None:
    doubled = {pair: 2 * latency for pair, latency in slices.items()}
    forth = [value for launch in paired_log_ratios(doubled, slices) for value in launch]
    back = [value for launch in paired_log_ratios(slices, doubled) for value in launch]
    assert forth == pytest.approx([math.log(2)] * len(slices))
    assert back == pytest.approx([-value for value in forth])


def test_only_rounds_that_both_arms_ran_are_paired() -> None:
    pairs = paired_log_ratios({(1, 1): 2.0, (1, 2): 2.0, (2, 1): 4.0}, {(1, 1): 1.0, (2, 1): 1.0, (3, 1): 9.0})
    assert pairs == [[math.log(2)], [math.log(4)]]


@pytest.mark.parametrize(("percent", "enough"), [(90, 100), (95, 200), (99, 1000)])
def test_a_percentile_needs_enough_samples(percent: int, enough: int) -> None:
    ordered = [float(number) for number in range(enough)]
    assert percentile(ordered[:-1], percent) is None
    assert percentile(ordered, percent) == pytest.approx((enough - 1) * percent / 100)


@given(st.floats(-0.5, 0.5), st.floats(1e-4, 0.2), st.integers(1, 20), st.floats(0, 0.1))
def test_the_level_of_a_verdict_is_where_its_interval_touches_the_band(
    center: float, error: float, degrees: int, band: float
) -> None:
    estimate = LogEstimate(center, error, degrees)
    level = p_outside(estimate, band)
    if 1e-6 < level < 0.999:
        low, high = estimate.interval(1 - level) or (0, 0)
        nearest = math.log(low) if center > 0 else -math.log(high)
        assert nearest == pytest.approx(band, abs=1e-6)
    assert p_outside(estimate, band) == 1 or p_inside(estimate, band) == 1


def test_intervals_cover_the_truth_when_launches_differ() -> None:
    """A launch bias of 0.7 %, noise of 1 % and bursts: ignoring the launches would cover far less than 95 %."""
    generator = random.Random(1)
    hits = 0
    for _ in range(400):
        launches = []
        for _ in range(8):
            bias = generator.gauss(0, 0.007)
            rounds = [bias + generator.gauss(0, 0.01) for _ in range(15)]
            launches.append([v + math.log(3) * generator.choice((-1, 1)) * (generator.random() < 0.1) for v in rounds])
        estimate = estimate_over_launches(launches)
        assert estimate is not None
        low, high = estimate.interval() or (0, 0)
        hits += low <= 1 <= high
    # 400 studies at 95 %: fewer than 365 happen once in a thousand.
    assert hits >= 365

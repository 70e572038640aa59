from __future__ import annotations

import math
from itertools import pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ortbench.results.statistics import (
    WIDEST_INTERVAL,
    LogEstimate,
    estimate_over_launches,
    paired_log_ratios,
    signed_rank_margin,
    signed_rank_tail,
)

LOGS = st.floats(-3, 3)
LAUNCHES = st.lists(LOGS, min_size=2, max_size=14).map(tuple)


def test_nothing_gives_no_estimate() -> None:
    assert estimate_over_launches([]) is None
    assert estimate_over_launches([[], []]) is None


def test_one_launch_gives_an_estimate_without_an_interval() -> None:
    estimate = estimate_over_launches([[0.1, 0.2, 0.9]])
    assert estimate is not None
    assert estimate.value == pytest.approx(math.exp(0.2))
    assert estimate.interval() is None
    assert estimate.relative_half_width() is None


def test_a_launch_is_the_median_of_its_rounds() -> None:
    assert estimate_over_launches([[0.0, 0.1, 5.0], [], [0.3]]) == LogEstimate((0.1, 0.3))


def test_the_signed_rank_distribution_is_that_of_all_sign_patterns() -> None:
    for count in range(1, 9):
        sums = [
            sum(rank for rank, sign in enumerate(signs, start=1) if sign) for signs in product((0, 1), repeat=count)
        ]
        expected = [sum(total <= k for total in sums) / len(sums) for k in range(count * (count + 1) // 4 + 1)]
        assert signed_rank_tail(count)[: len(expected)] == pytest.approx(expected)


@pytest.mark.parametrize(
    # The critical values of the signed-rank table, two-sided, which are the averages left out at each end.
    ("count", "margin"),
    [(2, None), (5, None), (6, 0), (7, 2), (8, 3), (9, 5), (10, 8), (12, 13), (15, 25), (20, 52)],
)
def test_the_margin_is_that_of_published_tables(count: int, margin: int | None) -> None:
    assert signed_rank_margin(count, 0.05) == margin


def test_six_launches_give_their_range() -> None:
    assert LogEstimate((0.3, 0.1, 0.2, 0.5, 0.4, 0.9)).log_interval() == (0.1, 0.9)


def test_a_bad_launch_of_twelve_hardly_widens_the_interval() -> None:
    sound = [0.5 + 0.01 * step for step in range(-6, 6)]
    spoiled = LogEstimate((*sound[:-1], 3.0))
    assert spoiled.log_interval()[1] < 0.56  # type: ignore[index]  # twelve launches have an interval
    assert spoiled.center == pytest.approx(LogEstimate(tuple(sound)).center, abs=0.01)


def test_few_launches_get_students_interval_but_never_less_than_their_range() -> None:
    # t(0.975, 2) = 4.302653, standard error 0.1/sqrt(3).
    half = 4.302653 * 0.1 / math.sqrt(3)
    assert LogEstimate((0.1, 0.2, 0.3)).log_interval() == pytest.approx((0.2 - half, 0.2 + half))
    low, high = LogEstimate((0.0, 0.0, 0.0, 0.0, 1.0)).log_interval() or (9, -9)
    assert low <= 0
    assert high >= 1


def test_launches_far_apart_have_no_interval_and_the_reason_is_said() -> None:
    # 12.7062 standard errors of 0.07 to either side are a factor of 5.9 in all, of 0.1 they are one of 12.7.
    assert LogEstimate((-0.07, 0.07)).interval() == pytest.approx((math.exp(-0.889), math.exp(0.889)), rel=1e-3)
    assert LogEstimate((-0.07, 0.07)).no_interval is None
    apart = LogEstimate((-0.1, 0.1))
    assert apart.interval() is None
    assert apart.relative_half_width() is None
    assert apart.no_interval == (
        "its 2 launches differ by up to 1.22x, so that an interval would span more than a factor of 10"
    )
    assert LogEstimate((0.5,)).no_interval == "there is one launch, which says nothing about the next"


@given(st.lists(st.floats(-800, 800), min_size=1, max_size=9).map(tuple))
def test_whatever_the_launches_an_interval_is_narrow_enough_or_its_lack_has_a_reason(
    launches: tuple[float, ...],
) -> None:
    estimate = LogEstimate(launches)
    interval = estimate.interval()
    assert estimate.value >= 0
    if interval:
        assert interval[1] <= interval[0] * WIDEST_INTERVAL * (1 + 1e-9)
    assert (estimate.interval() is None) == (estimate.no_interval is not None)


@given(LAUNCHES, LOGS)
def test_a_common_factor_moves_the_interval_and_not_its_relative_width(
    launches: tuple[float, ...], shift: float
) -> None:
    plain, moved = LogEstimate(launches), LogEstimate(tuple(value + shift for value in launches))
    assert moved.center == pytest.approx(plain.center + shift, abs=1e-9)
    bounds = plain.log_interval() or (0.0, 0.0)
    # Where the width is right at the limit, rounding decides whether there is an interval.
    if abs(bounds[1] - bounds[0] - math.log(WIDEST_INTERVAL)) > 1e-6:
        assert (moved.relative_half_width() or 0) == pytest.approx(plain.relative_half_width() or 0, rel=1e-6, abs=1e-9)


@given(LAUNCHES, LOGS)
def test_moving_an_estimate_moves_its_interval_along(launches: tuple[float, ...], center: float) -> None:
    plain = LogEstimate(launches)
    moved = plain.moved_to(center)
    assert moved.center == pytest.approx(center, abs=1e-9)
    step = center - plain.center
    assert moved.log_interval() == pytest.approx([end + step for end in plain.log_interval() or ()], abs=1e-9)


@given(LAUNCHES)
def test_the_estimate_lies_in_its_interval_and_that_in_wider_ones(launches: tuple[float, ...]) -> None:
    estimate = LogEstimate(launches)
    intervals = [estimate.log_interval(confidence) for confidence in (0.8, 0.95, 0.99, 0.9999)]
    for interval in intervals:
        assert interval is not None
        assert interval[0] <= estimate.center <= interval[1]
    for inner, outer in pairwise(intervals):
        assert inner is not None
        assert outer is not None
        assert outer[0] <= inner[0] + 1e-12
        assert inner[1] <= outer[1] + 1e-12


@given(LAUNCHES, st.floats(-3.5, 3.5), st.sampled_from([0.2, 0.05, 0.01, 0.001]))
def test_the_level_says_whether_an_interval_clears_a_bound(
    launches: tuple[float, ...], bound: float, level: float
) -> None:
    estimate = LogEstimate(launches)
    interval = estimate.log_interval(1 - level)
    assert interval is not None
    found = estimate.level_above(bound)
    if abs(interval[0] - bound) > 1e-9 and abs(found - level) > 1e-9:
        assert (found <= level) == (interval[0] > bound)


@given(LAUNCHES, LOGS)
def test_above_and_below_mirror_each_other(launches: tuple[float, ...], bound: float) -> None:
    mirrored = LogEstimate(tuple(-value for value in launches))
    assert LogEstimate(launches).level_above(bound) == pytest.approx(mirrored.level_below(-bound), abs=1e-9)


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

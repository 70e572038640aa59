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
from ortbench.results.variances import launch_weights

LOGS = st.floats(-3, 3)
LAUNCHES = st.lists(LOGS, min_size=2, max_size=14).map(tuple)
WEIGHTED = st.lists(st.tuples(LOGS, st.floats(0.25, 1)), min_size=2, max_size=14).map(
    lambda pairs: LogEstimate(tuple(value for value, _ in pairs), weights=tuple(weight for _, weight in pairs))
)
ESTIMATES = st.one_of(LAUNCHES.map(LogEstimate), WEIGHTED)
ROUNDS = st.lists(st.lists(st.floats(-800, 800), max_size=12), max_size=14)


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
    estimate = estimate_over_launches([[0.0, 0.1, 5.0], [], [0.3]])
    assert estimate is not None
    assert estimate.launches == (0.1, 0.3)


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


def test_seven_launches_are_the_first_that_ranks_judge() -> None:
    """Of six the interval by ranks is the whole range, which a single bad launch makes as wide as it likes."""
    six, seven = LogEstimate((0.3, 0.1, 0.2, 0.5, 0.4, 0.9)), LogEstimate((0.3, 0.1, 0.2, 0.5, 0.4, 0.6, 0.9))
    # t(0.975, 5) = 2.570582; the standard deviation is 0.282843.
    half = 2.570582 * 0.282843 / math.sqrt(6)
    assert (six.method, seven.method) == ("t", "ranks")
    assert six.log_interval() == pytest.approx((0.4 - half, 0.4 + half), abs=1e-5)
    # Two Walsh averages are left out at each end.
    assert seven.log_interval() == pytest.approx((0.2, 0.7))


def test_a_bad_launch_of_twelve_hardly_widens_the_interval() -> None:
    sound = [0.5 + 0.01 * step for step in range(-6, 6)]
    spoiled = LogEstimate((*sound[:-1], 3.0))
    assert spoiled.log_interval()[1] < 0.56  # type: ignore[index]  # twelve launches have an interval
    assert spoiled.center == pytest.approx(LogEstimate(tuple(sound)).center, abs=0.01)


def test_few_launches_get_students_interval() -> None:
    # t(0.975, 2) = 4.302653, standard error 0.1/sqrt(3).
    half = 4.302653 * 0.1 / math.sqrt(3)
    assert LogEstimate((0.1, 0.2, 0.3)).log_interval() == pytest.approx((0.2 - half, 0.2 + half))
    low, high = LogEstimate((0.0, 0.0, 0.0, 0.0, 1.0)).log_interval() or (9, -9)
    assert low <= 0
    assert high >= 0.75


def test_a_launch_of_few_rounds_weighs_little_and_never_less_than_a_quarter() -> None:
    """An H200 gave launches of 5, 21 and 204 rounds, of which the first was noise; they counted alike."""
    rounds = [[0.05 * (-1) ** place for place in range(count)] for count in (5, 21, 204)]
    weights = launch_weights(rounds)
    assert weights[2] == 1
    assert 0.25 <= weights[0] <= weights[1] < 0.7
    assert launch_weights([rounds[0][:2], *[rounds[2] * 9] * 3])[0] == 0.25


def test_where_launches_differ_by_far_more_than_rounds_explain_they_weigh_alike() -> None:
    rounds = [[level + 0.05 * (-1) ** place for place in range(count)] for level, count in ((0, 5), (1, 21), (2, 204))]
    assert launch_weights(rounds) == pytest.approx((1, 1, 1), abs=0.01)


def test_few_or_unequal_launches_are_weighted_and_many_are_judged_by_ranks() -> None:
    def method(*counts: int) -> str | None:
        estimate = estimate_over_launches([[0.02, -0.02] * count for count in counts])
        return estimate.method if estimate else None

    assert method(9) == "one launch"
    assert method(3, 9) == method(*[3] * 5, 9) == "weighted t"
    assert method(*[9] * 6) == "t"
    assert method(*[3] * 6, 9) == method(*[9] * 7) == "ranks"
    assert method(*[3] * 6, 10) == method(*[3] * 10, 10) == "weighted t"
    assert method(*[3] * 11, 10) == "ranks"


def test_hartung_and_knapps_interval_is_that_of_their_formula() -> None:
    values, weights = (0.0, 0.1, 0.4), (1.0, 0.5, 0.25)
    mean = (0.0 + 0.05 + 0.1) / 1.75
    error = math.sqrt(sum(w * (v - mean) ** 2 for v, w in zip(values, weights, strict=True)) / 1.75 / 2)
    estimate = LogEstimate(values, weights=weights)
    assert estimate.log_interval() == pytest.approx((mean - 4.302653 * error, mean + 4.302653 * error))
    # Walsh averages 0 (1), 0.05 (1/2), 0.1 (1/4), 0.2 (1/4), 0.25 (1/8), 0.4 (1/16): half of 35/16 is reached at 0.05.
    assert estimate.center == pytest.approx(0.05)


@given(LAUNCHES)
def test_weights_that_are_alike_change_nothing_of_few_launches(launches: tuple[float, ...]) -> None:
    few = launches[:6]
    plain, weighted = LogEstimate(few), LogEstimate(few, weights=(0.5,) * len(few))
    assert weighted.center == pytest.approx(plain.center, abs=1e-9)
    assert weighted.log_interval() == pytest.approx(plain.log_interval(), abs=1e-9)


@given(ROUNDS)
def test_every_record_has_an_estimate_or_none_and_never_an_exception(launches: list[list[float]]) -> None:
    estimate = estimate_over_launches(launches)
    assert (estimate is None) == (not any(launches))
    if estimate:
        bounds = estimate.log_interval()
        assert (bounds is None) == (len(estimate.launches) == 1)
        assert bounds is None or bounds[0] <= estimate.center <= bounds[1]
        assert 0 <= estimate.level_above(0.1) <= 1
        assert 0 <= estimate.level_below(-0.1) <= 1


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


@given(ESTIMATES, LOGS)
def test_moving_an_estimate_moves_its_interval_along(plain: LogEstimate, center: float) -> None:
    moved = plain.moved_to(center)
    assert moved.center == pytest.approx(center, abs=1e-9)
    step = center - plain.center
    assert moved.log_interval() == pytest.approx([end + step for end in plain.log_interval() or ()], abs=1e-9)


@given(ESTIMATES)
def test_the_estimate_lies_in_its_interval_and_that_in_wider_ones(estimate: LogEstimate) -> None:
    intervals = [estimate.log_interval(confidence) for confidence in (0.8, 0.95, 0.99, 0.9999)]
    for interval in intervals:
        assert interval is not None
        assert interval[0] <= estimate.center <= interval[1]
    for inner, outer in pairwise(intervals):
        assert inner is not None
        assert outer is not None
        assert outer[0] <= inner[0] + 1e-12
        assert inner[1] <= outer[1] + 1e-12


@given(ESTIMATES, st.floats(-3.5, 3.5), st.sampled_from([0.2, 0.05, 0.01, 0.001]))
def test_the_level_says_whether_an_interval_clears_a_bound(estimate: LogEstimate, bound: float, level: float) -> None:
    interval = estimate.log_interval(1 - level)
    assert interval is not None
    found = estimate.level_above(bound)
    if abs(interval[0] - bound) > 1e-9 and abs(found - level) > 1e-9:
        assert (found <= level) == (interval[0] > bound)


@given(ESTIMATES, LOGS)
def test_above_and_below_mirror_each_other(estimate: LogEstimate, bound: float) -> None:
    mirrored = LogEstimate(tuple(-value for value in estimate.launches), weights=estimate.weights)
    assert estimate.level_above(bound) == pytest.approx(mirrored.level_below(-bound), abs=1e-9)


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

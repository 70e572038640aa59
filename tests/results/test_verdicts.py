from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ortbench.results.statistics import LogEstimate
from ortbench.results.verdicts import Verdict, decide, decide_on_interval, resolution

ESTIMATES = st.builds(LogEstimate, st.lists(st.floats(-0.5, 0.5), min_size=1, max_size=12).map(tuple))


def around(ratio: float, spread: float, launches: int = 10) -> LogEstimate:
    """Return launches spread evenly around a ratio, from one `spread` below to one above on the log scale."""
    steps = [2 * index / (launches - 1) - 1 for index in range(launches)]
    return LogEstimate(tuple(math.log(ratio) + spread * step for step in steps))


@pytest.mark.parametrize(
    ("estimate", "verdict"),
    [
        (around(2.0, 0.02), "faster"),
        (around(0.5, 0.02), "slower"),
        (around(1.001, 0.003), "same"),
        (around(1.02, 0.05), "inconclusive"),
        (LogEstimate((math.log(2.0),)), "inconclusive"),
        (LogEstimate((0.0, 2.0)), "inconclusive"),
    ],
)
def test_a_verdict_follows_from_the_interval(estimate: LogEstimate, verdict: Verdict) -> None:
    assert decide([estimate]) == [verdict]


def test_a_missing_estimate_is_inconclusive() -> None:
    assert decide([None, around(2.0, 0.01)]) == ["inconclusive", "faster"]


def test_many_comparisons_ask_for_more_evidence_each() -> None:
    # One launch of seven lies on the wrong side of the band: level 2 * 2/128, enough alone, not as one of ten such.
    weak = LogEstimate((0.009, 0.02, 0.021, 0.022, 0.023, 0.024, 0.025))
    assert decide([weak]) == ["faster"]
    assert decide([weak] * 10) == ["inconclusive"] * 10


def test_six_launches_can_decide_many_comparisons_where_the_difference_is_great() -> None:
    assert decide([around(1.8, 0.02, launches=6)] * 36) == ["faster"] * 36


@given(st.lists(ESTIMATES, max_size=6))
def test_turning_every_ratio_round_turns_every_verdict_round(estimates: list[LogEstimate]) -> None:
    turned = [LogEstimate(tuple(-value for value in estimate.launches)) for estimate in estimates]
    opposite = {"faster": "slower", "slower": "faster"}
    assert decide(turned) == [opposite.get(verdict, verdict) for verdict in decide(estimates)]


@given(ESTIMATES, st.floats(0.01, 0.2))
def test_a_wider_band_never_makes_a_difference_appear(estimate: LogEstimate, band: float) -> None:
    [narrow], [wide] = decide([estimate], 0.01), decide([estimate], band)
    assert narrow in ("faster", "slower") or wide not in ("faster", "slower")


@given(ESTIMATES, st.floats(0.001, 0.2))
def test_a_single_verdict_is_what_the_interval_shows(estimate: LogEstimate, margin: float) -> None:
    interval = estimate.interval()
    expected = decide_on_interval(interval, margin)
    edges = [abs(end - edge) for end in interval or () for edge in (1 + margin, 1 / (1 + margin))]
    if min(edges, default=1) > 1e-9:
        assert decide([estimate], margin) == [expected]


def test_the_band_is_the_margin_for_all_three_verdicts_alike() -> None:
    # [1.027, 1.033] is a difference of 3 %, whatever else was noisy; with a margin of 5 % it is none.
    three_percent = around(1.03, 0.003)
    assert decide([three_percent]) == ["faster"]
    assert decide([three_percent], 0.03) == ["inconclusive"]
    assert decide([three_percent], 0.05) == ["same"]
    assert decide([around(1 / 1.03, 0.003)], 0.05) == ["same"]
    assert decide([around(1.118, 0.004)], 0.2) == ["same"]
    assert decide_on_interval((1.027, 1.033)) == "faster"
    assert decide_on_interval((1.027, 1.033), 0.05) == "same"
    assert decide_on_interval((1.11, 1.12), 0.2) == "same"


@given(st.lists(st.floats(-0.5, 0.5), min_size=2, max_size=12).map(tuple), st.floats(0.01, 0.2), st.floats(1, 3))
def test_noise_never_makes_engines_the_same(launches: tuple[float, ...], margin: float, noisier: float) -> None:
    estimate = LogEstimate(launches)
    middle = estimate.center
    wider = LogEstimate(tuple(middle + noisier * (value - middle) for value in launches))
    if abs(wider.center - middle) < 1e-12 and decide([wider], margin) == ["same"]:
        assert decide([estimate], margin) == ["same"]


def test_launches_too_far_apart_for_an_interval_decide_nothing() -> None:
    apart = LogEstimate((1.0, 5.0, 1.1, 5.1, 1.2, 5.2))
    assert apart.interval() is None
    assert decide([apart]) == ["inconclusive"]


@pytest.mark.parametrize(
    ("interval", "verdict"),
    [
        ((1.2, 1.4), "faster"),
        ((0.7, 0.9), "slower"),
        ((0.995, 1.005), "same"),
        ((0.9, 1.2), "inconclusive"),
        ((1.0, 1.2), "inconclusive"),
        (None, "inconclusive"),
    ],
)
def test_an_interval_from_elsewhere_is_judged_as_it_stands(
    interval: tuple[float, float] | None, verdict: Verdict
) -> None:
    assert decide_on_interval(interval) == verdict


def test_the_resolution_is_how_far_the_twins_interval_reaches_from_one() -> None:
    twin = LogEstimate((0.001, 0.002, 0.0, -0.001, 0.003, 0.004, -0.002))
    # Of seven launches two Walsh averages are left out at each end.
    assert resolution([twin]) == pytest.approx(math.expm1(0.003))
    assert resolution([LogEstimate((0.1,))]) is None
    assert resolution([]) is None


def test_with_many_twins_the_median_resolution_counts() -> None:
    twins = [around(1.0, spread, launches=6) for spread in (0.01, 0.02, 0.5)]
    assert resolution(twins) == resolution(twins[1:2])


def test_twins_that_are_too_far_apart_tell_no_resolution() -> None:
    apart = LogEstimate((0.0, 3.0))
    assert resolution([apart]) is None
    close, further = around(1.0, 0.01, launches=6), around(1.0, 0.02, launches=6)
    # One without an interval reaches further than any other, so that the second of three counts.
    assert resolution([apart, close, further]) == resolution([further])

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ortbench.results.statistics import LogEstimate
from ortbench.results.verdicts import WIDEST_SAME, Verdict, decide, decide_on_interval, distrust, resolution

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


@given(ESTIMATES, st.floats(0.01, 0.2))
def test_a_single_verdict_is_what_the_interval_shows(estimate: LogEstimate, band: float) -> None:
    interval = estimate.interval()
    expected = decide_on_interval(interval, band)
    widths = (1 + band, 1 + min(band, WIDEST_SAME))
    edges = [abs(end - edge) for end in interval or () for width in widths for edge in (width, 1 / width)]
    if min(edges, default=1) > 1e-9:
        assert decide([estimate], band) == [expected]


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


def test_a_study_that_tells_little_apart_calls_nothing_the_same_that_may_differ_by_more_than_5_percent() -> None:
    # Seen on a GPU whose launch-bound twin read 1.03x [0.93, 1.17], and at another batch size 1.118x [1.11, 1.12].
    assert decide([around(1.118, 0.004)], 0.174) == ["inconclusive"]
    assert decide([around(1.02, 0.004)], 0.174) == ["same"]
    assert decide_on_interval((1.11, 1.12), 0.174) == "inconclusive"
    assert decide_on_interval((0.96, 1.04), 0.174) == "same"
    assert decide_on_interval((1.2, 1.4), 0.174) == "faster"


def test_the_resolution_is_how_far_the_twins_interval_reaches_from_one() -> None:
    twin = LogEstimate((0.001, 0.002, 0.0, -0.001, 0.003, 0.004, -0.002))
    # Of seven launches two Walsh averages are left out at each end.
    assert resolution([twin]) == pytest.approx(math.expm1(0.003))
    assert resolution([LogEstimate((0.1,))]) is None
    assert resolution([]) is None


def test_with_many_twins_the_median_resolution_counts() -> None:
    twins = [around(1.0, spread, launches=6) for spread in (0.01, 0.02, 0.5)]
    assert resolution(twins) == resolution(twins[1:2])


def test_a_twin_that_agrees_with_its_engine_raises_no_doubt() -> None:
    assert distrust([around(1.0, 0.01)]) is None
    assert distrust([]) is None


def test_one_twin_that_is_clearly_apart_is_enough_to_withhold_verdicts() -> None:
    reason = distrust([around(1.05, 0.01)])
    assert reason is not None
    assert reason.startswith("the baseline differs from its own twin in 1 of 1 comparisons")


def test_one_twin_apart_by_chance_among_many_is_no_reason() -> None:
    # One launch on the other side of 1: the interval of 95 % excludes it, that of 99.9 % does not.
    apart = LogEstimate((-0.0001, 0.01, 0.011, 0.012, 0.013, 0.014, 0.015))
    assert distrust([apart] + [around(1.0, 0.01)] * 19) is None
    assert distrust([apart] * 5 + [around(1.0, 0.01)] * 15) is not None

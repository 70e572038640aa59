from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ortbench.results.statistics import LogEstimate
from ortbench.results.verdicts import Verdict, decide, decide_on_interval

ESTIMATES = st.builds(LogEstimate, st.floats(-0.5, 0.5), st.floats(0, 0.2), st.integers(1, 20))


@pytest.mark.parametrize(
    ("ratio", "error", "verdict"),
    [
        (2.0, 0.01, "faster"),
        (0.5, 0.01, "slower"),
        (1.001, 0.0005, "same"),
        (1.02, 0.01, "inconclusive"),
        (1.5, 0.5, "inconclusive"),
        (2.0, None, "inconclusive"),
    ],
)
def test_a_verdict_follows_from_the_interval(ratio: float, error: float | None, verdict: Verdict) -> None:
    assert decide([LogEstimate(math.log(ratio), error, 10)]) == [verdict]


def test_a_missing_estimate_is_inconclusive() -> None:
    assert decide([None, LogEstimate(1.0, 0.001, 10)]) == ["inconclusive", "faster"]


def test_many_comparisons_ask_for_more_evidence_each() -> None:
    # t = 2.6 with 10 degrees: p = 0.0265, enough alone, not as one of ten such.
    weak = LogEstimate(math.log1p(0.01) + 2.6 * 0.01, 0.01, 10)
    assert decide([weak]) == ["faster"]
    assert decide([weak] * 10) == ["inconclusive"] * 10


@given(st.lists(ESTIMATES, max_size=6))
def test_turning_every_ratio_round_turns_every_verdict_round(estimates: list[LogEstimate]) -> None:
    turned = [LogEstimate(-e.center, e.standard_error, e.degrees_of_freedom) for e in estimates]
    opposite = {"faster": "slower", "slower": "faster"}
    assert decide(turned) == [opposite.get(verdict, verdict) for verdict in decide(estimates)]


@given(st.lists(ESTIMATES, min_size=1, max_size=6), st.floats(0.01, 0.2))
def test_a_wider_band_never_makes_a_difference_appear(estimates: list[LogEstimate], band: float) -> None:
    for narrow, wide in zip(
        (decide([e], 0.01) for e in estimates), (decide([e], band) for e in estimates), strict=True
    ):
        assert not (narrow == ["inconclusive"] and wide in (["faster"], ["slower"]))


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

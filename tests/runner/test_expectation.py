"""Is an interval as wide as was expected? The factors that the planning of launches rests on."""

from __future__ import annotations

import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ortbench.results.statistics import estimate_over_launches
from ortbench.runner.expectation import (
    RANK_FACTORS,
    STUDENT_FACTORS,
    Scatter,
    expected_half_width,
    scatter_of,
)


def seen_half_width(counts: list[int], scatter: Scatter, studies: int = 300) -> float:
    """Return the mean half-width over simulated studies with launches of so many rounds."""
    generator = np.random.default_rng(20261127)
    halves = []
    for _ in range(studies):
        levels = generator.normal(0, scatter.between**0.5, len(counts))
        launches = [
            generator.normal(level, scatter.within**0.5, count).tolist()
            for level, count in zip(levels, counts, strict=True)
        ]
        estimate = estimate_over_launches(launches)
        bounds = estimate.log_interval() if estimate else None
        assert bounds is not None
        halves.append((bounds[1] - bounds[0]) / 2)
    return statistics.fmean(halves)


@pytest.mark.parametrize("counts", [[20] * 3, [20] * 6, [20] * 8, [20] * 13, [5, 20, 200, 200], [5, *[40] * 8]])
@pytest.mark.parametrize("scatter", [Scatter(0.007**2, 0.05**2), Scatter(0.03**2, 0.02**2)])
def test_intervals_are_as_wide_as_is_expected(counts: list[int], scatter: Scatter) -> None:
    assert expected_half_width(counts, scatter) == pytest.approx(seen_half_width(counts, scatter), rel=0.15)


def test_the_factors_shrink_and_six_launches_by_t_are_narrower_than_by_ranks_would_be() -> None:
    assert list(STUDENT_FACTORS) == sorted(STUDENT_FACTORS, reverse=True)
    assert list(RANK_FACTORS) == sorted(RANK_FACTORS, reverse=True)
    # Half of the expected range of six normal values (Tippett, 1925).
    assert STUDENT_FACTORS[4] < 0.8 * 2.534 / 2


@given(
    st.lists(st.floats(0, 500), max_size=70),
    st.builds(Scatter, st.floats(1e-9, 1), st.floats(0, 1)),
)
def test_every_number_of_launches_has_an_expectation(rounds: list[float], scatter: Scatter) -> None:
    assert 0 < expected_half_width(rounds, scatter) <= 100


@pytest.mark.parametrize("count", [1, 3, 5, 6, 8, 11, 12, 20, 60])
def test_longer_launches_and_quieter_rounds_promise_narrower_intervals(count: int) -> None:
    usual = expected_half_width([10] * count, Scatter())
    assert expected_half_width([40] * count, Scatter()) <= usual
    assert expected_half_width([10] * count, Scatter(within=0.1)) >= usual
    assert expected_half_width([10] * 120, Scatter()) <= usual


def test_what_was_measured_is_drawn_towards_the_usual() -> None:
    assert scatter_of([]) == scatter_of([[], []]) == Scatter()
    alike = scatter_of([[0.01, -0.01] * 20] * 12)
    # Alternating rounds: median absolute deviation 0.01. Launches alike: 8 parts of 0.007 squared, 12 of nothing.
    assert alike.within == pytest.approx((1.4826 * 0.01) ** 2)
    assert alike.between == pytest.approx(8 * 0.007**2 / 20)

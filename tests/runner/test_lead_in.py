"""Slices of known truth: how many of their first calls are unlike those that follow, and is it found."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ortbench.results.slices import AGREEMENT
from ortbench.runner.lead_in import (
    VERY_LONG_CALL_NS,
    effect_of,
    lead_in_calls,
    least_lead_in,
    most_lead_in,
    settled_lead_in,
)

MS = 1_000_000


def rows_of(
    seed: int,
    call_ns: float,
    extra: Callable[[int], float],
    *,
    slices: int = 20,
    calls: int = 21,
    stretch: int = 60,
    noise: float = 0.03,
) -> list[list[int]]:
    """Return a pilot's slices and five stretches, on a machine that is faster and slower from row to row.

    Args:
        seed: of the noise.
        call_ns: a call in a row.
        extra: place in the row -> what the call there takes more, 0.1 for 10 %.
        slices, calls: how many, of how many calls.
        stretch: calls of a stretch.
        noise: standard deviation of a call; one in fifty takes half as long again.
    """
    chance = random.Random(seed)
    rows = []
    for length in [stretch] * 5 + [calls] * slices:
        level = call_ns * math.exp(chance.gauss(0, 0.1))
        rows.append(
            [
                round(
                    level
                    * (1 + extra(place))
                    * math.exp(chance.gauss(0, noise))
                    * (1.5 if chance.random() < 0.02 else 1)
                )
                for place in range(length)
            ]
        )
    return rows


def first(amount: float) -> Callable[[int], float]:
    return lambda place: amount if place == 0 else 0.0


def decaying(amount: float, calls: float) -> Callable[[int], float]:
    return lambda place: amount * math.exp(-place / calls)


def left_over(extra: Callable[[int], float], lead_in: int, calls: int) -> float:
    """Return what the counted calls of a slice really take more."""
    return statistics.median(extra(place) for place in range(lead_in, lead_in + calls))


@pytest.mark.parametrize("amount", [0.0, 0.02, 0.16])
def test_a_processor_that_pays_in_its_first_call_leads_in_with_one(amount: float) -> None:
    found = [lead_in_calls(rows_of(seed, 12 * MS, first(amount)), 12 * MS) for seed in range(40)]
    # Noise adds a call or two now and then.
    assert found.count(1) >= 30
    assert 1 <= min(found) <= max(found) <= 4


@pytest.mark.parametrize("tau", [2.0, 5.0, 8.0])
def test_a_gpu_whose_calls_settle_slowly_leads_in_until_they_agree(tau: float) -> None:
    extra, told = decaying(0.4, tau), list[bool]()
    for seed in range(20):
        rows = rows_of(seed, 3.5 * MS, extra, calls=57, stretch=115, noise=0.01)
        lead_in, left = settled_lead_in(rows, 3.5 * MS, 5)
        assert left is not None
        told.append(left.shown)
        assert left_over(extra, lead_in, 5) < 2 * AGREEMENT
        # So long as it takes, and not for long after.
        assert extra(max(0, lead_in // 2 - 1)) > AGREEMENT / 2
    assert sum(told) <= 2


def test_calls_of_microseconds_lead_in_beyond_those_that_take_three_times_as_long() -> None:
    def extra(place: int) -> float:
        return 2.0 if place < 20 else 0.0

    for call_ns in (5_000, 50_000, 400_000):
        rows = rows_of(1, call_ns, extra, slices=10, calls=400, stretch=1000)
        assert 20 <= lead_in_calls(rows, call_ns) <= 50


def test_calls_that_are_faster_at_first_lead_in_too() -> None:
    rows = rows_of(1, 10 * MS, decaying(-0.2, 3.0), noise=0.005)
    assert lead_in_calls(rows, 10 * MS) >= 6


@pytest.mark.parametrize(("slices", "noise"), [(20, 0.03), (20, 0.15), (3, 0.1), (0, 0.1)])
def test_noise_alone_makes_no_long_lead_in(slices: int, noise: float) -> None:
    found = sorted(
        settled_lead_in(rows_of(seed, 4 * MS, first(0.0), slices=slices, calls=41, noise=noise), 4 * MS, 5)[0]
        for seed in range(200)
    )
    assert found[100] == 1
    assert found[180] <= 4
    assert found[-1] <= 16


def test_what_no_lead_in_mends_is_told() -> None:
    """Calls that go on getting faster for longer than anybody may lead in."""
    rows = rows_of(1, 40 * MS, decaying(0.5, 40.0), calls=8, stretch=40, noise=0.005)
    lead_in, left = settled_lead_in(rows, 40 * MS, 1)
    assert lead_in <= most_lead_in(40 * MS)
    assert left is not None
    assert left.shown
    assert left.low > AGREEMENT


def test_long_calls_lead_in_only_where_it_shows() -> None:
    call_ns = 200 * MS
    assert lead_in_calls(rows_of(1, call_ns, first(0.0), calls=2, stretch=3), call_ns) == 0
    assert lead_in_calls(rows_of(1, call_ns, first(0.2), calls=2, stretch=3), call_ns) == 1
    assert lead_in_calls(rows_of(1, VERY_LONG_CALL_NS, first(0.2), calls=2, stretch=3), VERY_LONG_CALL_NS) == 0


def test_without_rows_the_length_of_a_call_decides() -> None:
    assert settled_lead_in([], 12 * MS, 3) == (1, None)
    assert [least_lead_in(ns) for ns in (100, 50_000, 400_000, 2 * MS, 100 * MS, 150 * MS)] == [50, 20, 3, 1, 1, 0]


@given(st.lists(st.lists(st.integers(0, 10**10), max_size=40), max_size=12), st.floats(0, 1e11), st.integers(1, 50))
def test_any_rows_give_a_lead_in_within_its_bounds(rows: list[list[int]], call_ns: float, calls: int) -> None:
    lead_in, left = settled_lead_in(rows, call_ns, calls)
    assert 0 <= least_lead_in(call_ns) <= max(lead_in, least_lead_in(call_ns)) <= max(most_lead_in(call_ns), 50)
    assert left is None or left.low <= left.value <= left.high


def test_an_effect_is_shown_by_rows_that_agree() -> None:
    def rows(*amounts: float) -> list[list[int]]:
        return [[round(1000 * (1 + amount)), 1000, 1000] for amount in amounts]

    def shown(*amounts: float) -> bool:
        effect = effect_of(rows(*amounts), 0, 1)
        return effect is not None and effect.shown

    assert shown(0.1, 0.2, 0.3, 0.1, 0.2)
    assert not shown(0.1, 0.2, 0.3, 0.1)
    assert not shown(0.1, 0.2, 0.3, 0.1, -0.01)
    assert not shown(*[0.004] * 5)
    # One of nine may differ.
    assert shown(*[0.1] * 8, -0.1)
    assert not shown(*[0.1] * 7, -0.1, -0.1)

from __future__ import annotations

import math
import random

from hypothesis import given
from hypothesis import strategies as st

from ortbench.results.variances import robust_variance
from ortbench.runner.pilot import (
    USUAL_SLICE_NS,
    PilotSlices,
    best_slice_ns,
    calls_in,
)

MS = 1_000_000


@given(st.floats(1, 1e11), st.floats(0, 1e12))
def test_a_slice_counts_an_odd_number_of_calls_and_of_short_ones_three(slice_ns: float, call_ns: float) -> None:
    calls = calls_in(slice_ns, call_ns)
    assert calls % 2 == 1
    assert (3 if call_ns < 10 * MS else 1) <= calls <= 999


def test_a_long_call_is_a_slice_of_its_own() -> None:
    assert calls_in(20 * MS, 20_000 * MS) == 1
    assert calls_in(20 * MS, 4 * MS) == 5
    assert [calls_in(20 * MS, call * MS) for call in (9, 10, 12, 30)] == [3, 3, 1, 1]


def pilot(seed: int, *, shared: float, own: float, rounds: int = 60, calls: int = 16) -> PilotSlices:
    """Return slices of calls of 10 ms; `shared` noise is one draw a slice, `own` one a call."""
    generator = random.Random(seed)
    return PilotSlices(
        tuple(
            tuple(round(10 * MS * math.exp(level + generator.gauss(0, own))) for _ in range(calls))
            for level in (generator.gauss(0, shared) for _ in range(rounds))
        )
    )


def test_calls_that_lead_in_are_in_no_latency_and_in_the_time() -> None:
    slices = PilotSlices(((30, 20, 10, 10, 10), (60, 20, 20, 20, 20)), lead_in=2)
    assert slices.latencies(3) == [10, 20]
    assert (slices.call_ns, slices.time_ns(45)) == (15, 5 * 15)


def test_noise_that_lasts_longer_than_a_slice_asks_for_short_slices() -> None:
    arms = [pilot(seed, shared=0.03, own=0.001) for seed in (1, 2)]
    assert best_slice_ns(arms[0], arms[1:], overhead_ns=0.5 * MS) == 10 * MS


def test_noise_of_single_calls_and_dear_slices_ask_for_long_ones() -> None:
    arms = [pilot(seed, shared=0.0, own=0.05) for seed in (1, 2)]
    assert best_slice_ns(arms[0], arms[1:], overhead_ns=40 * MS) > 10 * MS


def test_without_enough_rounds_or_a_second_arm_the_usual_slice_is_taken() -> None:
    few = [pilot(seed, shared=0.03, own=0.001, rounds=7) for seed in (1, 2)]
    assert best_slice_ns(few[0], few[1:], overhead_ns=MS) == USUAL_SLICE_NS
    assert best_slice_ns(pilot(1, shared=0.1, own=0.1), [], overhead_ns=MS) == USUAL_SLICE_NS


def test_one_wild_value_does_not_move_the_variance() -> None:
    values = [0.1 * step for step in range(-10, 11)]
    assert robust_variance([*values, 1000.0]) < 2 * robust_variance(values)

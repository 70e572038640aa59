from __future__ import annotations

import math
import random

from hypothesis import given
from hypothesis import strategies as st

from ortbench.results.statistics import estimate_over_launches
from ortbench.runner.pilot import (
    USUAL_SLICE_NS,
    PilotSlices,
    best_rounds,
    best_slice_ns,
    calls_in,
    promises,
    robust_variance,
)

MS = 1_000_000


@given(st.floats(1, 1e11), st.floats(0, 1e12))
def test_a_slice_has_at_least_one_call_and_at_most_a_thousand(slice_ns: float, call_ns: float) -> None:
    assert 1 <= calls_in(slice_ns, call_ns) <= 1000


def test_a_long_call_is_a_slice_of_its_own() -> None:
    assert calls_in(20 * MS, 20_000 * MS) == 1
    assert calls_in(20 * MS, 4 * MS) == 5


def pilot(seed: int, *, shared: float, own: float, rounds: int = 60, calls: int = 16) -> PilotSlices:
    """Return slices of calls of 10 ms; `shared` noise is one draw a slice, `own` one a call."""
    generator = random.Random(seed)
    return PilotSlices(
        tuple(
            tuple(round(10 * MS * math.exp(level + generator.gauss(0, own))) for _ in range(calls))
            for level in (generator.gauss(0, shared) for _ in range(rounds))
        )
    )


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


def launches(within: float, between: float, count: int = 12, rounds: int = 40) -> list[list[float]]:
    generator = random.Random(1)
    biases = [generator.gauss(0, between) for _ in range(count)]
    return [[bias + generator.gauss(0, within) for _ in range(rounds)] for bias in biases]


def test_dearer_launches_and_noisier_rounds_ask_for_more_rounds_a_launch() -> None:
    quiet, noisy = launches(0.01, 0.01), launches(0.04, 0.01)
    assert best_rounds(quiet, 10, 0.1) < best_rounds(noisy, 10, 0.1)
    assert best_rounds(quiet, 10, 0.1) < best_rounds(quiet, 40, 0.1)


def test_launches_that_differ_more_ask_for_fewer_rounds_each() -> None:
    assert best_rounds(launches(0.02, 0.05), 10, 0.1) < best_rounds(launches(0.02, 0.002), 10, 0.1)


def test_the_number_of_rounds_is_kalibera_and_jones_optimum() -> None:
    # Alternating rounds: median absolute deviation 0.01. Launches alike: 8 parts of 0.007 squared, 12 of nothing.
    alike = [[0.01, -0.01] * 20] * 12
    within, between = (1.4826 * 0.01) ** 2 * math.pi / 2, 8 * 0.007**2 / 20
    assert best_rounds(alike, 10, 0.1) == round(math.sqrt(10 / 0.1 * within / between))


def test_a_first_launch_alone_can_be_planned_from() -> None:
    assert best_rounds([[0.01, -0.01] * 20], 10, 0.1) >= 1
    assert best_rounds([], 10, 0.1) == 1


def rounds_of(seed: int, *, launches: int, within: float, between: float) -> list[list[float]]:
    generator = random.Random(seed)
    levels = [generator.gauss(0, between) for _ in range(launches)]
    return [[generator.gauss(level, within) for _ in range(40)] for level in levels]


def test_six_launches_promise_what_they_keep() -> None:
    """Of many machines, those that are promised the target mostly meet it, and those that are not mostly do not."""
    kept = {True: [], False: []}  # type: dict[bool, list[bool]]
    for seed, (within, between) in enumerate([(0.02, 0.004), (0.04, 0.007), (0.05, 0.012), (0.05, 0.03)] * 60):
        launches = rounds_of(seed, launches=6, within=within, between=between)
        estimate = estimate_over_launches(launches)
        assert estimate is not None
        width = estimate.relative_half_width()
        assert width is not None
        kept[promises(launches[:2], rounds=40, target=0.02)].append(width <= 0.02)
    assert sum(kept[True]) > 0.8 * len(kept[True]) > 60
    assert sum(kept[False]) < 0.5 * len(kept[False])
    assert kept[False]


def test_launches_that_lie_apart_by_more_than_the_target_promise_nothing() -> None:
    assert promises([[0.0] * 20, [0.03] * 20], rounds=20, target=0.02)
    assert not promises([[0.0] * 20, [0.05] * 20], rounds=20, target=0.02)
    assert not promises([[], []], rounds=20, target=0.02)

from __future__ import annotations

import math
import random
from collections.abc import Callable
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ortbench.results.percentiles import PooledCalls, between_order_statistics, quantile

Machine = Callable[[random.Random], list[list[float]]]


@pytest.mark.parametrize(("percent", "enough"), [(90, 100), (95, 200), (99, 1000)])
def test_a_percentile_needs_enough_calls_of_all_launches_together(percent: int, enough: int) -> None:
    calls = [float(number) for number in range(enough)]
    few = PooledCalls(calls[1 + start :: 5] for start in range(5))
    assert few.percentile(percent) is None
    assert few.interval(percent) is None
    pooled = PooledCalls([*(calls[start::5] for start in range(5)), []])
    assert pooled.percentile(percent) == pytest.approx((enough - 1) * percent / 100)
    assert pooled.interval(percent) is not None


@pytest.mark.parametrize(("launches", "known"), [(1, False), (2, False), (4, False), (5, True)])
def test_few_launches_say_too_little_of_the_next_and_give_no_interval(launches: int, known: bool) -> None:
    calls = [float(number) for number in range(1, 101)]
    pooled = PooledCalls([*(calls[start::launches] for start in range(launches)), []])
    assert pooled.percentile(90) == pytest.approx(90.1)
    assert (pooled.interval(90) is not None) == known


def test_an_interval_never_reaches_beyond_the_calls_that_were_seen() -> None:
    # As from a model of 0.1 ms: five launches, one of them forty times slower than another.
    launches = [[scale * (1 + call / 1000) for call in range(250)] for scale in (0.1, 0.11, 0.1, 4.0, 0.1)]
    for percent in (90, 95, 99):
        low, high = PooledCalls(launches).interval(percent) or (0.0, math.inf)
        assert low >= 0.1
        assert high <= 4.0 * 1.249


@given(st.lists(st.floats(0, 1e308), min_size=1, max_size=6), st.integers(0, 2**32), st.sampled_from([90, 95, 99]))
def test_there_are_no_calls_of_which_an_interval_cannot_be_computed(
    values: list[float], seed: int, percent: int
) -> None:
    generator = random.Random(seed)
    launches = [[generator.choice(values) for _ in range(210)] for _ in range(5)]
    pooled = PooledCalls(launches)
    low, high = pooled.interval(percent) or (0.0, 0.0)
    assert pooled.ordered[0] <= low <= high <= pooled.ordered[-1]


def test_independent_samples_have_the_binomials_interval() -> None:
    # 100 samples: P(Bin(100, 0.9) <= 83) = 0.0206, <= 84: 0.0399; <= 94: 0.9424, <= 95: 0.9763.
    assert between_order_statistics([float(number) for number in range(1, 101)], 90) == (84.0, 96.0)


def test_launches_that_differ_have_a_design_effect_and_ones_that_are_alike_have_none() -> None:
    alike = PooledCalls([[1.0] * 45 + [2.0] * 5] * 4)
    assert alike.design_effect(90) == 1
    # All slow calls in one of four launches: shares 0, 0, 0 and 0.4, whose variance of the mean is 0.01, and
    # 200 independent calls would give 0.1 * 0.9 / 200.
    apart = PooledCalls([[1.0] * 50] * 3 + [[1.0] * 30 + [2.0] * 20])
    assert apart.design_effect(90) == pytest.approx(0.01 / (0.1 * 0.9 / 200))


def test_the_bounds_move_apart_by_the_root_of_the_design_effect_and_by_students_t() -> None:
    launches = [[100.0 + call for call in range(start, 1000, 5)] for start in range(5)]
    pooled = PooledCalls(launches)
    assert pooled.design_effect(90) == 1
    low, high = between_order_statistics(pooled.ordered, 90)
    middle, wider = quantile(pooled.ordered, 90), 2.776445 / 1.959964
    assert pooled.interval(90) == pytest.approx(
        (middle * (low / middle) ** wider, middle * (high / middle) ** wider), rel=1e-5
    )


@given(st.integers(500, 750), st.integers(5, 9), st.integers(0, 2**32), st.sampled_from([90, 95, 99]))
def test_a_percentile_lies_in_its_interval_which_holds_that_of_independent_calls(
    count: int, launches: int, seed: int, percent: int
) -> None:
    generator = random.Random(seed)
    calls = [generator.choice((1.0, generator.random() * 9)) for _ in range(2 * count)]
    pooled = PooledCalls(calls[start::launches] for start in range(launches))
    found, interval = pooled.percentile(percent), pooled.interval(percent)
    assert found is not None
    assert interval is not None
    assert interval[0] <= found <= interval[1]
    low, high = between_order_statistics(pooled.ordered, percent)
    assert interval[0] <= low * (1 + 1e-9)
    assert interval[1] >= high * (1 - 1e-9)


def test_calls_that_took_no_time_on_the_clock_have_percentiles_too() -> None:
    assert PooledCalls([[0.0] * 60] * 5).interval(90) == (0, 0)
    assert PooledCalls([[0.0] * 60, [0.0] * 50 + [1.0] * 10]).percentile(90) == 0


def calls_in_a_loop(generator: random.Random) -> list[list[float]]:
    """Six launches of 170 calls: each process differs by 2 %, the machine drifts by 3 % over twenty calls."""

    def launch() -> list[float]:
        own = generator.gauss(0, 0.02)
        drift = accumulate(range(170), lambda now, _: 0.95 * now + 0.0094 * generator.gauss(0, 1), initial=0.0)
        return [math.exp(own + slow + generator.gauss(0, 0.03)) for slow in drift]

    return [launch() for _ in range(6)]


def requests_in_a_queue(generator: random.Random) -> list[list[float]]:
    """Six launches of two runs of 90 requests, which arrive at random and keep a server 70 % busy."""

    def run() -> list[float]:
        waits = accumulate(range(90), lambda wait, _: max(0.0, wait + 0.7 - generator.expovariate(1)), initial=0.0)
        return [wait + 0.7 for wait in waits]

    return [run() + run() for _ in range(6)]


def launches_of_two_kinds(launches: int) -> Machine:
    """Return a machine on which a process is 5 % slower than usual in one of three launches."""

    def machine(generator: random.Random) -> list[list[float]]:
        slow = [generator.random() < 1 / 3 for _ in range(launches)]
        return [[(1.05 if one else 1.0) * math.exp(generator.gauss(0, 0.02)) for _ in range(250)] for one in slow]

    return machine


def bursts_in_some_launches(launches: int) -> Machine:
    """Return a machine on which a tenth of the calls take twice as long in a quarter of the launches."""

    def call(generator: random.Random, *, loud: bool) -> float:
        burst = 2 * math.exp(generator.gauss(0, 0.1)) if loud and generator.random() < 0.1 else 1.0
        return burst * math.exp(generator.gauss(0, 0.02))

    def machine(generator: random.Random) -> list[list[float]]:
        loud = [generator.random() < 0.25 for _ in range(launches)]
        return [[call(generator, loud=one) for _ in range(250)] for one in loud]

    return machine


@pytest.mark.parametrize(
    ("machine", "percent", "least"),
    [
        (calls_in_a_loop, 90, 190),
        (calls_in_a_loop, 99, 190),
        (requests_in_a_queue, 90, 180),
        # A thousand requests in queues are worth about a hundred: the 99th percentile is often beyond them all.
        (requests_in_a_queue, 99, 145),
        # In 13 of 100 studies of five launches, and 4 of eight, there is no slow launch to be seen.
        (launches_of_two_kinds(5), 90, 155),
        (launches_of_two_kinds(8), 90, 182),
        # In 24 of 100 studies of five launches, and 10 of eight, there is no burst to be seen.
        (bursts_in_some_launches(5), 99, 135),
        (bursts_in_some_launches(8), 99, 165),
    ],
)
def test_an_interval_holds_the_truth_where_calls_are_not_independent(
    machine: Machine, percent: int, least: int
) -> None:
    generator = random.Random(5)
    truth = quantile(sorted(call for _ in range(300) for launch in machine(generator) for call in launch), percent)
    studies = [PooledCalls(machine(generator)) for _ in range(200)]
    holding, naive = 0, 0
    for study in studies:
        low, high = study.interval(percent) or (math.inf, -math.inf)
        holding += low <= truth <= high
        low, high = between_order_statistics(study.ordered, percent)
        naive += low <= truth <= high
    assert holding >= least
    assert naive <= 130

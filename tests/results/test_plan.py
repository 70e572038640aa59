"""The planner against brute force on small cases, and its properties on large ones."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from ortbench.results.plan import (
    Instance,
    Plan,
    Profile,
    fastest_plan,
    smallest_latencies,
    uniform_plans,
)
from ortbench.results.plan_throughput import widest_plan

PLACES = st.tuples(st.integers(1, 4), st.integers(1, 5))
# Few different latencies, so that ties are common.
PROFILES = st.dictionaries(PLACES, st.integers(1, 6).map(float), max_size=8)
MANY = st.dictionaries(st.tuples(st.integers(1, 16), st.integers(1, 64)), st.floats(0.1, 1e3), max_size=60)


def every_choice(profile: Profile, threads: int, batch_size: int) -> Iterator[list[Instance]]:
    """Yield every multiset of instances with at most these threads and exactly these items."""
    places = sorted(profile)

    def extend(start: int, threads_left: int, items_left: int) -> Iterator[list[Instance]]:
        if items_left == 0:
            yield []
            return
        for index in range(start, len(places)):
            own_threads, items = places[index]
            if own_threads <= threads_left and items <= items_left:
                for rest in extend(index, threads_left - own_threads, items_left - items):
                    yield [places[index], *rest]

    yield from extend(0, threads, batch_size)


def slowest(profile: Profile, chosen: list[Instance]) -> float:
    return max(profile[place] for place in chosen)


def check_feasible(plan: Plan, profile: Profile, threads: int, batch_size: int) -> None:
    assert plan.threads <= threads
    assert sum(items * count for (_, items), count in plan.instances.items()) == batch_size
    assert set(plan.instances) <= set(profile)
    assert plan.latency_ms == max(profile[place] for place in plan.instances)


@given(PROFILES, st.integers(1, 6), st.integers(1, 7))
def test_the_fastest_plan_is_the_one_that_trying_everything_finds(
    profile: Profile, threads: int, batch_size: int
) -> None:
    choices = list(every_choice(profile, threads, batch_size))
    plan = fastest_plan(profile, threads, batch_size)
    if not choices:
        assert plan is None
        return
    assert plan is not None
    check_feasible(plan, profile, threads, batch_size)
    best = min(slowest(profile, chosen) for chosen in choices)
    assert plan.latency_ms == best
    assert plan.count == min(len(chosen) for chosen in choices if slowest(profile, chosen) == best)


@given(PROFILES, st.integers(1, 6), st.integers(1, 7), st.integers(1, 7))
def test_the_widest_plan_is_the_one_that_trying_everything_finds(
    profile: Profile, threads: int, batch_size: int, max_latency_ms: int
) -> None:
    def rate(chosen: list[Instance]) -> float:
        return math.fsum(place[1] * 1000 / profile[place] for place in chosen)

    choices = [
        chosen for chosen in every_choice(profile, threads, batch_size) if slowest(profile, chosen) <= max_latency_ms
    ]
    plan = widest_plan(profile, threads, batch_size, max_latency_ms)
    if not choices:
        assert plan is None
        return
    assert plan is not None
    check_feasible(plan, profile, threads, batch_size)
    best = max(map(rate, choices))
    assert math.isclose(plan.throughput_per_s, best)
    assert plan.count == min(len(chosen) for chosen in choices if math.isclose(rate(chosen), best))


@given(MANY, st.integers(1, 16), st.integers(1, 300))
def test_the_widest_plan_is_the_one_of_adding_one_instance_after_the_other(
    profile: Profile, threads: int, batch_size: int
) -> None:
    """Beyond a block of batch sizes, where trying everything would take too long."""
    rates = {place: place[1] * 1000 / latency for place, latency in profile.items()}
    best = [[0.0] + [-math.inf] * batch_size for _ in range(threads + 1)]
    for total, (size, (place, rate)) in itertools.product(
        range(1, threads + 1), itertools.product(range(1, batch_size + 1), rates.items())
    ):
        if place[0] <= total and place[1] <= size:
            best[total][size] = max(best[total][size], best[total - place[0]][size - place[1]] + rate)
    plan = widest_plan(profile, threads, batch_size)
    assert (plan is None) == math.isinf(best[threads][batch_size])
    if plan is not None:
        check_feasible(plan, profile, threads, batch_size)
        assert math.isclose(plan.throughput_per_s, best[threads][batch_size])


@given(MANY, st.integers(1, 16), st.integers(1, 64))
def test_every_answer_of_the_one_pass_is_the_answer_of_its_own_search(
    profile: Profile, threads: int, batch_size: int
) -> None:
    latency = smallest_latencies(profile, 16, 64)[threads][batch_size]
    plan = fastest_plan(profile, threads, batch_size)
    assert (plan is None) == math.isinf(latency)
    if plan is not None:
        assert plan.latency_ms == latency
        check_feasible(plan, profile, threads, batch_size)


@given(MANY)
def test_more_threads_are_never_slower(profile: Profile) -> None:
    rows = smallest_latencies(profile, 16, 64)
    for fewer, more in itertools.pairwise(rows):
        assert all(after <= before for before, after in zip(fewer, more, strict=True))


@given(PROFILES, st.integers(1, 6), st.integers(1, 7))
def test_uniform_plans_are_plans_and_none_beats_the_fastest(profile: Profile, threads: int, batch_size: int) -> None:
    fastest = fastest_plan(profile, threads, batch_size)
    for plan in uniform_plans(profile, threads, batch_size):
        check_feasible(plan, profile, threads, batch_size)
        assert len(plan.instances) == 1
        assert fastest is not None
        assert fastest.latency_ms <= plan.latency_ms


def test_nothing_measured_is_no_plan() -> None:
    assert fastest_plan({}, 4, 4) is None
    assert widest_plan({}, 4, 4) is None
    assert uniform_plans({}, 4, 4) == []


def test_threads_may_stay_unused() -> None:
    plan = fastest_plan({(1, 1): 5.0}, 16, 1)
    assert plan is not None
    assert plan.instances == {(1, 1): 1}

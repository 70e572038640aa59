"""Everybody on one scale: what is known directly, through others, and not at all."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ortbench.results.contest import SlicesOfOne
from ortbench.results.standings import CAUTIOUS_SPREAD, USUAL_SPREAD, Standings, figure, observe, ratio

VALUES = st.dictionaries(st.sampled_from("abcdef"), st.floats(0.1, 1e6), min_size=2, max_size=6)


def standings(slices: Mapping[str, SlicesOfOne]) -> Standings:
    return Standings(observe(slices))


def half(bounds: tuple[float, float]) -> float:
    return (bounds[1] - bounds[0]) / 2


@settings(max_examples=50, deadline=None)
@given(VALUES, st.integers(1, 4), st.integers(2, 6))
def test_without_noise_every_ratio_is_what_it_is(values: dict[str, float], launches: int, rounds: int) -> None:
    places = [(launch, number) for launch in range(launches) for number in range(rounds)]
    found = standings({name: dict.fromkeys(places, value) for name, value in values.items()})
    for one, took in values.items():
        for two, other in values.items():
            assert sum(found.difference(one, two, 0.95)) / 2 == pytest.approx(math.log(took / other), abs=1e-3)


@settings(max_examples=30, deadline=None)
@given(VALUES, st.integers(0, 1000))
def test_a_difference_read_the_other_way_round_is_its_opposite(values: dict[str, float], seed: int) -> None:
    chance = random.Random(seed)
    slices = {
        name: {(1, number): value * chance.lognormvariate(0, 0.02) for number in range(chance.randint(1, 5))}
        for name, value in values.items()
    }
    found = standings(slices)
    one, two, *_ = values
    low, high = found.difference(one, two, 0.95)
    assert found.difference(two, one, 0.95) == pytest.approx((-high, -low))


def test_a_slow_spell_that_all_shared_changes_no_ratio() -> None:
    spells = {(1, number): 1.0 + 2.0 * (number > 4) for number in range(8)}
    found = standings({"a": dict(spells), "b": {place: 1.1 * spell for place, spell in spells.items()}})
    low, high = found.difference("b", "a", 0.95)
    assert low < math.log(1.1) < high
    assert (low + high) / 2 == pytest.approx(math.log(1.1))
    assert high - low < USUAL_SPREAD


def test_who_never_met_is_compared_through_a_third_and_less_surely() -> None:
    def together(launch: int, *pairs: tuple[str, float]) -> dict[str, SlicesOfOne]:
        return {name: {(launch, number): value for number in range(6)} for name, value in pairs}

    slices = together(1, ("a", 10.0), ("c", 20.0))
    # The machine was slower in the second launch.
    for name, own in together(2, ("b", 36.0), ("c", 30.0)).items():
        slices.setdefault(name, {}).update(own)
    found = standings(slices)
    through = found.difference("b", "a", 0.95)
    assert sum(through) / 2 == pytest.approx(math.log(2.4), abs=0.02)
    assert half(found.difference("c", "a", 0.95)) < half(through) < USUAL_SPREAD


def test_who_has_nothing_but_figures_is_compared_as_one_after_the_other() -> None:
    found = standings(
        {"a": {(1, number): 10.0 for number in range(9)}, "b": {(2, number): 10.0 for number in range(9)}}
    )
    low, high = found.difference("a", "b", 0.95)
    assert low < -CAUTIOUS_SPREAD
    assert high > CAUTIOUS_SPREAD


def test_more_launches_tell_more() -> None:
    def known(launches: int) -> float:
        places = [(launch, number) for launch in range(launches) for number in range(5)]
        found = standings({"a": dict.fromkeys(places, 1.0), "b": dict.fromkeys(places, 2.0)})
        return half(found.difference("a", "b", 0.95))

    assert known(1) > known(2) > known(8)


def test_launches_that_scatter_more_than_usual_widen_every_interval() -> None:
    def known(scatter: float) -> float:
        a = {(launch, number): math.exp(scatter * (-1) ** launch) for launch in range(8) for number in range(5)}
        return half(standings({"a": a, "b": dict.fromkeys(a, 1.0)}).difference("a", "b", 0.95))

    assert known(0.1) > 3 * known(0.0)


def test_one_burst_among_three_slices_moves_nothing_and_two_are_noticed() -> None:
    quiet = {(1, number): 1.0 + 0.01 * number for number in range(3)}
    one, two = quiet | {(1, 2): 3.0}, quiet | {(1, 1): 2.0, (1, 2): 3.0}
    others = {"b": quiet, "c": quiet}
    low, high = standings({"a": one, **others}).difference("a", "b", 0.95)
    assert high < 0.1
    low, high = standings({"a": two, **others}).difference("a", "b", 0.995)
    assert low < 0 < high


def simulate(chance: random.Random, launches: int, spreads: Mapping[str, float]) -> Standings:
    """Return everybody equally fast, but for what each launch adds."""
    slices: dict[str, SlicesOfOne] = {name: {} for name in spreads}
    for launch in range(launches):
        bias = {name: chance.gauss(0, spread) for name, spread in spreads.items()}
        for number in range(chance.randint(3, 9)):
            spell = chance.gauss(0, 0.06)
            for name, own in slices.items():
                burst = math.log(chance.uniform(1.2, 3)) if chance.random() < 0.05 else 0.0
                own[launch, number] = math.exp(bias[name] + spell + chance.gauss(0, 0.0141) + burst)
    return standings(slices)


def coverage(seed: int, launches: Sequence[int], spreads: Mapping[str, float], count: int = 300) -> float:
    """Return how often an interval of 95 % of the difference between a and b holds 0."""
    chance, held = random.Random(seed), 0
    for _ in range(count):
        low, high = simulate(chance, chance.choice(launches), spreads).difference("a", "b", 0.95)
        held += low <= 0 <= high
    return held / count


def test_intervals_of_95_percent_hold_at_least_as_often() -> None:
    assert coverage(1, [1, 2, 3, 4], {"a": 0.007, "b": 0.007, "c": 0.007}) >= 0.94


@pytest.mark.parametrize("spreads", [{"a": 0.02, "b": 0.02}, {"a": 0.03, "b": 0.007, "c": 0.007, "d": 0.007}])
def test_from_six_launches_on_they_hold_whatever_launches_scatter(spreads: dict[str, float]) -> None:
    assert coverage(2, [6, 8], spreads) >= 0.93


def test_figures_are_in_the_units_of_their_objective() -> None:
    found = standings({"a": {(1, number): 2e6 for number in range(4)}, "b": {(1, number): 4e6 for number in range(4)}})
    latency, rate = figure(found, "a", "latency"), figure(found, "a", "throughput")
    assert latency.value == pytest.approx(2.0, rel=0.01)
    assert rate.value == pytest.approx(500, rel=0.01)
    assert latency.ci95[0] < latency.value < latency.ci95[1]
    assert rate.ci95[0] < rate.value < rate.ci95[1]
    # Two figures of one launch are known to the machine's spread, their ratio much better.
    assert latency.ci95[1] / latency.value > 1.1
    better = ratio(found, "a", "b")
    assert better.value == pytest.approx(2, rel=0.001)
    assert better.ci95[1] / better.value < 1.05


def test_a_spell_that_ends_within_the_only_round_of_a_launch_makes_nobody_the_faster() -> None:
    known: dict[str, SlicesOfOne] = {
        "a": {(1, number): 10.0 for number in range(9)},
        "b": {(1, number): 13.0 for number in range(9)},
    }
    # In the second launch another program ran until b had its turn.
    known["a"][2, 9], known["b"][2, 9] = 24.0, 13.0
    low, high = standings(known).difference("b", "a", 0.95)
    assert 0 < low < math.log(1.3) < high

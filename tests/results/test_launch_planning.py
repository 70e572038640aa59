"""The benchmark of the rules for launches, small: intervals hold, and are no wider than by the rules before."""

from __future__ import annotations

import math
import statistics

import pytest

from benchmarks.launch_planning import NEW, NO_TARGET, OLD, TARGET, Machine, Study, studies

COUNT = 60
# Overhead and round in s, standard deviations between and within, and the study's time.
SETTINGS = [
    (Machine(3.0, 0.3, 0.02, 0.05), 30.0),
    (Machine(13.0, 2.6, 0.007, 0.05), 300.0),
    (Machine(13.0, 2.6, 0.05, 0.05), 300.0),
]


def width(found: list[Study]) -> float:
    return statistics.fmean(study.half_width for study in found if study.half_width is not None)


def assert_they_hold(found: list[Study]) -> None:
    """Of intervals of 95 %, fewer hold by chance once in a thousand times."""
    held = sum(study.holds for study in found)
    assert held >= 0.95 * len(found) - 3.1 * math.sqrt(0.95 * 0.05 * len(found))


@pytest.mark.parametrize(("machine", "length_s"), SETTINGS)
def test_intervals_hold_and_are_narrower_than_by_the_rules_before(machine: Machine, length_s: float) -> None:
    old, new = (studies(rules, machine, length_s, NO_TARGET, COUNT) for rules in (OLD, NEW))
    assert_they_hold(new)
    assert width(new) < 0.95 * width(old)
    assert all(study.seconds <= length_s for study in new)


def test_a_study_that_stops_at_its_target_ends_sooner_and_holds() -> None:
    machine = Machine(13.0, 2.6, 0.007, 0.05)
    old, new = (studies(rules, machine, 1200.0, TARGET, COUNT) for rules in (OLD, NEW))
    assert_they_hold(new)
    assert statistics.median(study.seconds for study in new) < 0.8 * statistics.median(study.seconds for study in old)

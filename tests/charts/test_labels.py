"""Figures that do not cover each other."""

from __future__ import annotations

import itertools
import math

from hypothesis import given
from hypothesis import strategies as st

from ortbench.charts.labels import spread, with_places

PLACES = st.lists(st.floats(-100, 100), max_size=12)
ROOMS = st.floats(0.01, 10)


@given(PLACES, ROOMS)
def test_neighbours_are_apart_and_keep_their_order(wanted: list[float], room: float) -> None:
    places = spread(wanted, room)
    ordered = sorted(range(len(wanted)), key=lambda index: wanted[index])
    for before, after in itertools.pairwise(ordered):
        assert places[after] - places[before] >= room * (1 - 1e-6) - 1e-9


@given(PLACES, ROOMS)
def test_the_middle_of_all_stays(wanted: list[float], room: float) -> None:
    assert math.isclose(sum(spread(wanted, room)), sum(wanted), abs_tol=1e-6)


def test_places_that_are_apart_already_stay() -> None:
    assert spread([3, 1, 2], 1) == [3, 1, 2]


def test_two_at_one_place_part_evenly() -> None:
    assert spread([5, 5], 2) == [4, 6]


def test_figures_above_each_other_are_spread_and_others_left() -> None:
    rows = [
        {"batch": batch, "ratio": ratio, "ratio_low": ratio, "ratio_high": ratio}
        for batch, ratio in ((1, 2.0), (1, 2.01), (2, 2.0), (2, 4.0))
    ]
    placed = with_places(rows, "ratio", "batch", lowest=1)
    assert [row["ratio"] for row in placed] == [2.0, 2.01, 2.0, 4.0]
    assert placed[0]["ratio_place"] < 2.0
    assert placed[1]["ratio_place"] > 2.01
    assert [round(row["ratio_place"], 9) for row in placed[2:]] == [2.0, 4.0]

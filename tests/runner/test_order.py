from __future__ import annotations

from collections import Counter
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from ortbench.runner.order import round_order, williams_square

COUNTS = st.integers(1, 9)


@given(COUNTS)
def test_every_arm_stands_at_every_place_equally_often(count: int) -> None:
    square = williams_square(count)
    for place in range(count):
        assert set(Counter(row[place] for row in square).values()) == {len(square) // count}


@given(st.integers(2, 9))
def test_every_arm_follows_every_other_equally_often(count: int) -> None:
    follows = Counter(pair for row in williams_square(count) for pair in pairwise(row))
    assert len(follows) == count * (count - 1)
    assert len(set(follows.values())) == 1


@given(COUNTS, st.integers(0, 500), st.integers(0, 2**32))
def test_a_round_runs_every_arm_once_and_the_seed_settles_the_order(count: int, number: int, seed: int) -> None:
    order = round_order(count, number, seed)
    assert sorted(order) == list(range(count))
    assert round_order(count, number, seed) == order


@given(st.integers(2, 6), st.integers(0, 2**32), st.integers(0, 5))
def test_every_lap_is_balanced(count: int, seed: int, lap: int) -> None:
    length = len(williams_square(count))
    rows = [round_order(count, lap * length + row, seed) for row in range(length)]
    for place in range(count):
        assert set(Counter(row[place] for row in rows).values()) == {length // count}

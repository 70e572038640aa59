"""The order of arms in each round: balanced, so that no arm owes its figures to its place. Pure functions."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

_Item = TypeVar("_Item")


def williams_square(count: int) -> list[list[int]]:
    """Return orders of `count` arms in which each arm stands at each place, and follows each other arm, equally often.

    An even count takes `count` orders, an odd one twice as many.
    Source: E. J. Williams, Experimental designs balanced for the estimation of residual effects of treatments, 1949.
    """
    # 0, 1, n-1, 2, n-2, ...: neighbours differ by every amount once.
    first = [0] + [(step + 1) // 2 if step % 2 else count - step // 2 for step in range(1, count)]
    square = [[(place + shift) % count for place in first] for shift in range(count)]
    return square if count % 2 == 0 else square + [row[::-1] for row in square]


def round_order(count: int, round_number: int, seed: int) -> list[int]:
    """Return the order of arms in one round.

    Rounds walk through a Williams square, and through a new shuffle of the arms when it is used up.

    Args:
        count: number of arms.
        round_number: from 0, over all launches of the cell.
        seed: the study's.
    """
    square = williams_square(count)
    lap, row = divmod(round_number, len(square))
    # Seeded by text: a tuple would need hashing, and an integer sum would repeat itself.
    generator = random.Random(f"{seed}/{lap}")  # noqa: S311 - nothing secret
    names = generator.sample(range(count), count)
    rows = generator.sample(range(len(square)), len(square))
    return [names[place] for place in square[rows[row]]]


def shuffled(items: Sequence[_Item], place: str) -> list[_Item]:
    """Return the items in an order that depends on nothing but their number and the place, in which the seed stands."""
    generator = random.Random(place)  # noqa: S311 - nothing secret
    return generator.sample(items, len(items))

"""Where figures stand so that none covers another. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

# A figure's height, as a share of the axis that it stands on.
_ROOM = 0.045


def spread(wanted: Sequence[float], room: float) -> list[float]:
    """Move places so that neighbours are `room` apart, in their order and as little as possible (least squares).

    Args:
        wanted: where each would stand alone.
        room: between two neighbours.
    """
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    # Without the room between them the places must only not fall: isotonic regression by pooling (mean, count).
    pools: list[tuple[float, int]] = []
    for rank, index in enumerate(order):
        pools.append((wanted[index] - rank * room, 1))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (low, few), (high, many) = pools[-2:]
            pools[-2:] = [((low * few + high * many) / (few + many), few + many)]
    level = [mean for mean, count in pools for _ in range(count)]
    places = [0.0] * len(wanted)
    for rank, index in enumerate(order):
        places[index] = level[rank] + rank * room
    return places


def with_places(rows: Sequence[Mapping[str, Any]], value: str, along: str, lowest: float) -> list[dict[str, Any]]:
    """Return the rows with `VALUE_place`, where their figures stand on a logarithmic axis.

    Args:
        rows: the points; `value`_low and `value`_high are on the axis too.
        value: positive, what is drawn.
        along: the column that is the same for points above each other.
        lowest: something else that the axis must hold.
    """
    ends = [math.log(row[f"{value}{end}"]) for row in rows for end in ("_low", "_high")] + [math.log(lowest)]
    room = _ROOM * (max(ends) - min(ends))
    placed = [dict(row) for row in rows]
    for group in {row[along] for row in rows}:
        own = [row for row in placed if row[along] == group]
        for row, place in zip(own, spread([math.log(row[value]) for row in own], room), strict=True):
            row[f"{value}_place"] = math.exp(place)
    return placed

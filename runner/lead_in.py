"""How many calls at the beginning of a slice are unlike those that follow. Pure functions of what calls took.

A slice begins when a process is woken, and its first calls pay for the pause: threads wake, caches and clocks come
back, a GPU's queue fills. What is wanted are calls in a row. So rows of calls are looked at, the pilot's slices and a
few longer stretches, each begun after a pause: the first calls of a row are compared with its second half, since the
machine's own speed drifts from one row to the next.

Calls are looked at in windows that grow with their distance from the pause. An effect counts where the median over rows
is beyond half a percent and so many of the rows have its sign that chance alone gives that in one case of twenty (sign
test; one of sixteen with five rows). Later windows are looked at only while earlier ones show something, so that noise
makes no long lead-in: each further window would need a chance of its own.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ortbench.results.slices import AGREEMENT

# Calls of this length and more lose less than that to a pause (docs/timing.md); they lead in only where it shows.
_LONG_CALL_NS = 150_000_000
# Beyond it no lead-in is looked for: it would take longer than what it mends.
VERY_LONG_CALL_NS = 1_000_000_000
# Calls shorter than this lead in for as long, since a pause costs some tenths of a millisecond whatever follows.
_SHORTEST_LEAD_IN_NS = 1_000_000
_MOST_UNSEEN = 50
# A lead-in takes no more than this, and at most one call where a call is longer.
_LONGEST_LEAD_IN_NS = 500_000_000
# With fewer no sign says anything. As many stretches are run as that takes.
FEWEST_ROWS = 5
# So many windows in a row that show nothing end the search.
_MOST_MISSES = 2
# On either side.
_CHANCE = 0.025

Row = Sequence[int]


@dataclass(frozen=True)
class Effect:
    """What calls take more than calls in a row, on a logarithmic scale: 0.01 for 1 %.

    Attributes:
        value: the median over rows.
        low, high: an interval for it by ranks, of 95 % where there are rows enough (six), else their whole range.
        rows: how many it is of.
    """

    value: float
    low: float
    high: float
    rows: int

    @property
    def shown(self) -> bool:
        """Whether it is beyond the agreement, and no chance."""
        beyond = abs(self.value) > AGREEMENT and self.rows >= FEWEST_ROWS
        return beyond and (self.low > 0 or self.high < 0)


def least_lead_in(call_ns: float) -> int:
    """Return how many calls lead in whatever the rows show."""
    if call_ns >= _LONG_CALL_NS:
        return 0
    return min(_MOST_UNSEEN, max(1, math.ceil(_SHORTEST_LEAD_IN_NS / max(call_ns, 1))))


def most_lead_in(call_ns: float) -> int:
    """Return how many calls may lead in at most."""
    if call_ns >= VERY_LONG_CALL_NS:
        return 0
    return max(least_lead_in(call_ns), 1, int(_LONGEST_LEAD_IN_NS / max(call_ns, 1)))


def lead_in_calls(rows: Sequence[Row], call_ns: float) -> int:
    """Return how many calls shall lead in.

    Args:
        rows: calls in ns, each row begun after a pause.
        call_ns: the typical call.
    """
    most = most_lead_in(call_ns)
    found, misses, sign = min(least_lead_in(call_ns), most), 0, 0.0
    for begin, end in _windows(most):
        if end <= found:
            continue
        effect = effect_of(rows, begin, end)
        if effect is None or misses == _MOST_MISSES:
            break
        if effect.shown and effect.value * sign >= 0:
            found, misses, sign = end, 0, effect.value
        else:
            misses += 1
    return found


def settled_lead_in(rows: Sequence[Row], call_ns: float, calls: int) -> tuple[int, Effect | None]:
    """Return how many calls lead in so that the counted calls after them agree with calls in a row, and if they do.

    Args:
        rows: calls in ns, each row begun after a pause.
        call_ns: the typical call.
        calls: that count.

    Returns:
        The lead-in, and what the counted calls after it still take more; None where no row is long enough to tell.
    """
    lead_in = lead_in_calls(rows, call_ns)
    left = effect_of(rows, lead_in, lead_in + calls)
    for _, end in _windows(most_lead_in(call_ns)):
        if end <= lead_in:
            continue
        if left is None or not left.shown:
            break
        if (after := effect_of(rows, end, end + calls)) is None:
            break
        lead_in, left = end, after
    return lead_in, left


def effect_of(rows: Sequence[Row], begin: int, end: int) -> Effect | None:
    """Return what calls from the place `begin` to before `end` take more than the second half of their rows.

    A row takes part that goes on for as many calls after `end`, and is as long again as what lies before it.
    """
    logs = [
        math.log(max(statistics.median(row[begin:end]), 1) / max(statistics.median(row[max(end, len(row) // 2) :]), 1))
        for row in rows
        if len(row) >= max(2 * end - begin, begin + end)
    ]
    if not logs:
        return None
    logs.sort()
    outside = _outside(len(logs))
    return Effect(statistics.median(logs), logs[outside], logs[-1 - outside], len(logs))


def _outside(count: int) -> int:
    """Return how many of so many sorted values lie outside of an interval for their median, on either side."""
    outside, below = 0, 0.0
    while (below := below + math.comb(count, outside) / 2**count) <= _CHANCE:
        outside += 1
    return max(0, outside - 1)


def _windows(most: int) -> Iterator[tuple[int, int]]:
    """Yield 0 to 1, 1 to 2, 2 to 3, 3 to 4, 4 to 6, 6 to 8, 8 to 12, and so on."""
    begin = 0
    while begin < most:
        width = max(1, 2 ** (begin.bit_length() - 2)) if begin else 1
        yield begin, min(begin + width, most)
        begin += width

"""How the time of a study is shared among launches and cells. Pure functions of what was measured so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MIN_LAUNCHES = 3
# From here on a launch more narrows an interval of t less than its start costs.
MAX_LAUNCHES = 12
# Before this many launches a narrow interval may be luck, and the study goes on.
LAUNCHES_BEFORE_STOPPING = 6
_MIN_ROUNDS = 3
_LONG_ROUND_S = 5.0
_FIRST_LAUNCH_SHARE = 0.1
_MEASURE_PER_OVERHEAD = 1.5


@dataclass(frozen=True)
class CellCost:
    """What a cell was seen to cost in its last launch.

    Attributes:
        prepare_s: making all its arms ready.
        round_s: one round of all its arms, with the time between slices.
    """

    prepare_s: float
    round_s: float

    @property
    def minimum_s(self) -> float:
        """Preparing and the fewest rounds."""
        return self.prepare_s + min_rounds(self.round_s) * self.round_s


def min_rounds(round_s: float) -> int:
    """Return the fewest rounds a launch spends on a cell: three, or one where a round takes very long."""
    return _MIN_ROUNDS if round_s <= _LONG_ROUND_S else 1


def first_launch_seconds(max_time_s: float, cells: int) -> float:
    """Return how long a cell's rounds last in the first launch, which serves as the pilot."""
    return max_time_s * _FIRST_LAUNCH_SHARE / cells


def allot_launch(
    remaining_s: float, launches_done: int, start_s: float, costs: Mapping[str, CellCost]
) -> dict[str, float]:
    """Return the seconds of rounds for each cell in the next launch; a cell that no longer fits is left out.

    As many launches are made as leave each more time for measuring than it spends on starting and preparing,
    since an interval over launches narrows with their number.

    Args:
        remaining_s: of the study, or of this group's share of it.
        launches_done: of this group.
        start_s: starting all arms of the group.
        costs: cell id -> cost, cheapest first; cells that were never measured are not among them.
    """
    fitting = _fitting(remaining_s - start_s, costs)
    if not fitting or launches_done >= MAX_LAUNCHES:
        return {}
    overhead = start_s + sum(costs[cell].prepare_s for cell in fitting)
    least = sum(costs[cell].minimum_s - costs[cell].prepare_s for cell in fitting)
    per_launch = overhead + max(least, overhead * _MEASURE_PER_OVERHEAD)
    launches_left = max(1, MIN_LAUNCHES - launches_done, int(remaining_s / per_launch))
    launches_left = min(launches_left, MAX_LAUNCHES - launches_done)
    spare = max(0.0, remaining_s / launches_left - overhead - least)
    return {cell: costs[cell].minimum_s - costs[cell].prepare_s + spare / len(fitting) for cell in fitting}


def expected_cell_cost(batch_size: int, known: Sequence[tuple[int, CellCost]]) -> CellCost | None:
    """Scale the cost of the largest batch size measured so far to `batch_size`; None where none was."""
    if not known:
        return None
    reference_size, cost = max(known, key=lambda pair: pair[0])
    scale = batch_size / reference_size
    return CellCost(cost.prepare_s * scale, cost.round_s * scale)


def _fitting(available_s: float, costs: Mapping[str, CellCost]) -> list[str]:
    """Return the cells whose minimum fits, cheapest first, until the next would not."""
    fitting: list[str] = []
    for cell, cost in sorted(costs.items(), key=lambda item: item[1].minimum_s):
        available_s -= cost.minimum_s
        if available_s < 0:
            break
        fitting.append(cell)
    return fitting

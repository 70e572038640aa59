"""Where a cell stands, from what was measured of it so far: the input of the planning of launches. Pure."""

from __future__ import annotations

from ortbench.results.schema import PlannedCell
from ortbench.runner.budget import CellState
from ortbench.runner.costs import CellCost
from ortbench.runner.expectation import Scatter, scatter_of
from ortbench.runner.record import StudyRecord

# One round of each of the launches is all that such a cell needs.
_NOTHING_COMPARED = Scatter(within=0.0)


def cell_state(record: StudyRecord, cell: PlannedCell, cost: CellCost, target: float) -> CellState:
    """Return a cell's state.

    Args:
        record: everything measured so far.
        cell: of the plan.
        cost: what it cost in its last launch.
        target: half-width that every interval should come down to.
    """
    ratios = record.ratios(cell)
    launches = record.launches_of(cell.key.id)
    rounds = max((tuple(map(len, arm)) for arm in ratios.values()), key=sum, default=(1,) * launches)
    typical = max(1.0, sum(rounds) / max(len(rounds), 1))
    scatters = [scatter_of(arm) for arm in ratios.values()] or [_NOTHING_COMPARED]
    return CellState(
        id=cell.key.id,
        cost=cost,
        launches=launches,
        excess=record.excess(cell, target),
        rounds=rounds,
        scatter=max(scatters, key=lambda scatter: scatter.of_launch(typical)),
        target=target,
        # Under a load the length of a round is given, and the tail wants all the time there is.
        to_the_end=bool(cell.key.load),
    )

"""Where a cell stands, from what was measured of it so far: the input of the planning of launches. Pure."""

from __future__ import annotations

from ortbench.results.schema import PlannedCell
from ortbench.runner.budget import LAUNCHES_BEFORE_STOPPING, CellCost, CellState
from ortbench.runner.pilot import promises, rounds_for_cell
from ortbench.runner.record import StudyRecord


def cell_state(record: StudyRecord, cell: PlannedCell, cost: CellCost, launch_s: float, target: float) -> CellState:
    """Return a cell's state.

    Args:
        record: everything measured so far.
        cell: of the plan.
        cost: what it cost in its last launch.
        launch_s: what a launch costs it before its first round: being made ready, and its part of the start.
        target: half-width that every interval should come down to.
    """
    ratios = record.ratios(cell).values()
    launches = record.launches_of(cell.key.id)
    rounds = rounds_for_cell(ratios, launch_s, cost.round_s)
    return CellState(
        id=cell.key.id,
        cost=cost,
        launches=launches,
        excess=record.excess(cell, target),
        rounds=rounds,
        # Under a load the length of a round is given, and the tail wants all the time there is.
        hopeful=not cell.key.load
        and launches < LAUNCHES_BEFORE_STOPPING
        and all(promises(arm, rounds, target) for arm in ratios),
    )

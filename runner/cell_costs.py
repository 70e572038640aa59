"""What each cell of a study was seen to cost, and whether one that was never measured fits into the time. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from ortbench.results.pairing import by_arm
from ortbench.results.schema import ArmKey, LaunchRecord, PlannedCell, RoundRecord
from ortbench.results.summary import arm_label
from ortbench.runner.costs import ArmCost, CellCost, expected_call_s
from ortbench.units import format_seconds, format_significant

# A first call that takes this much longer than ten others compiles something.
_COMPILING_S = 1.0


class CellCosts:
    """The costs of a plan's cells, and the calls that were measured to learn them.

    Attributes:
        known: cell id -> what it cost last.
    """

    def __init__(self, cells: Sequence[PlannedCell]) -> None:
        """Know nothing yet of these cells."""
        self.known: dict[str, CellCost] = {}
        self._cells = cells
        # Cell id -> arm -> seconds of a call, of a cell that was only begun too.
        self._calls: dict[str, dict[ArmKey, float]] = {}
        self._arms: dict[str, dict[ArmKey, ArmCost]] = {}
        self._tried: dict[str, ArmKey] = {}

    def keep(self, cell: PlannedCell, prepare_s: float, round_s: float, lines: Sequence[RoundRecord]) -> None:
        """Take a cell's cost from the rounds of a launch.

        Args:
            cell: that was measured.
            prepare_s: making its arms ready.
            round_s: one round.
            lines: its slices.
        """
        arms = {key: _arm_cost(own) for key, own in by_arm(lines).items()}
        self._arms[cell.key.id] = arms
        self._calls[cell.key.id] = {key: arm.call_s for key, arm in arms.items()}
        self.known[cell.key.id] = CellCost(prepare_s, round_s, tuple(arms.values()))

    def try_out(self, cell: PlannedCell, arm: ArmKey, call_s: float) -> None:
        """Take one arm's call in a cell that was begun to see whether it fits."""
        self._calls.setdefault(cell.key.id, {})[arm] = call_s
        self._tried[cell.key.id] = arm

    def sizes_known(self, cell: PlannedCell) -> int:
        """Return of how many batch sizes a call was measured in the processes that the cell shares."""
        return len(self._calls_of(cell, self._speaker(cell)))

    def expected_call_s(self, cell: PlannedCell) -> float:
        """Return what a call of one of its arms takes or will take; 0 where nothing is known."""
        calls = self._calls_of(cell, self._speaker(cell))
        return expected_call_s(self._size(cell), calls) if calls else 0.0

    def expected(self, cell: PlannedCell) -> CellCost | None:
        """Return what a cell costs or will cost, by the largest batch size measured; None where none was."""
        if cell.key.id in self.known:
            return self.known[cell.key.id]
        measured = [other for other in self._family(cell) if other.key.id in self.known]
        if not measured:
            return None
        reference = max(measured, key=lambda other: other.key.batch_size)
        cost = self._of_arms(reference, cell)
        call_s = self._calls[reference.key.id].get(self._speaker(cell), 0.0)
        return cost.with_calls(self.expected_call_s(cell) / call_s) if call_s > 0 else cost

    def unaffordable(self, cell: PlannedCell, left_s: float) -> str | None:
        """Say why a cell that was never measured does not fit into the time; None where it does."""
        cost = self.expected(cell)
        # Where the time is over, one round will have to do; and nothing of it was compiled before.
        if cost is None or cost.prepare_s + cost.round_s <= left_s:
            return None
        needed = format_seconds(cost.prepare_s + cost.round_s)
        if left_s <= 0:
            return f"its share of --max-time was used up before its turn, and its first round would take about {needed}"
        return (
            f"its first round would take about {needed}, as {self._measured_call(cell)}, and "
            f"{format_seconds(left_s)} of its share of --max-time is left"
        )

    def _of_arms(self, reference: PlannedCell, cell: PlannedCell) -> CellCost:
        """Return what of a cell's cost the arms of another took: the smallest batch size has a twin more."""
        cost = self.known[reference.key.id]
        own = [arm for key, arm in self._arms.get(reference.key.id, {}).items() if key in cell.arms]
        if not own or len(own) == len(cost.arms):
            return cost
        share = len(own) / len(cost.arms)
        between_s = max(0.0, cost.round_s - sum(arm.slice_s for arm in cost.arms))
        round_s = share * between_s + sum(arm.slice_s for arm in own)
        return CellCost(share * cost.prepare_s, round_s, tuple(own), share * cost.once_s)

    def _measured_call(self, cell: PlannedCell) -> str:
        """Say which call it is reckoned from."""
        arm, size = self._speaker(cell), self._size(cell)
        calls = self._calls_of(cell, arm)
        nearest = size if size in calls else max(calls, default=size)
        seconds = calls.get(nearest, 0.0)
        took = format_seconds(seconds) if seconds >= 1 else f"{format_significant(seconds * 1000)} ms"
        where = "here" if nearest == size else f"at batch size {nearest}"
        return f"one call of {arm_label(arm)} took {took} {where}"

    def _family(self, cell: PlannedCell) -> list[PlannedCell]:
        return [other for other in self._cells if other.key.launch == cell.key.launch]

    def _size(self, cell: PlannedCell) -> int:
        """Return the batch size that it costs as much as: under a load a round lasts as long with any batch."""
        known = [other.key.batch_size for other in self._family(cell) if other.key.id in self._calls]
        return max(known, default=cell.key.batch_size) if cell.key.load else cell.key.batch_size

    def _speaker(self, cell: PlannedCell) -> ArmKey:
        """Return the arm whose calls say how calls grow: the one that was tried here, or the first everywhere."""
        return self._tried.get(cell.key.id) or next(iter(cell.arms), ArmKey(""))

    def _calls_of(self, cell: PlannedCell, arm: ArmKey) -> dict[int, float]:
        found = {other.key.batch_size: self._calls.get(other.key.id, {}).get(arm, 0.0) for other in self._family(cell)}
        return {size: seconds for size, seconds in found.items() if seconds > 0}


def compiling_s(records: Sequence[LaunchRecord]) -> float:
    """Return what the first calls took beyond calls: what compiles finds its results the next time.

    Args:
        records: of arms that were made ready in the first launch.
    """
    beyond = [
        (record.first_call_ns - 10 * statistics.median(record.warm_up_ns)) / 1e9
        for record in records
        if record.first_call_ns and record.warm_up_ns
    ]
    return sum(seconds for seconds in beyond if seconds > _COMPILING_S)


def _arm_cost(lines: Sequence[RoundRecord]) -> ArmCost:
    calls = [statistics.median(line.samples_ns) for line in lines if line.samples_ns]
    slices = [(line.wall_ns or sum(line.samples_ns)) + sum(line.lead_in_ns) for line in lines]
    return ArmCost(statistics.median(calls or [0]) / 1e9, statistics.median(slices) / 1e9)

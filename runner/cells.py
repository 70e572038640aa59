"""One cell in one launch: is there time and memory for it, make its arms ready, run its rounds."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

from ortbench.errors import OrtbenchError
from ortbench.results.pairing import by_arm
from ortbench.results.schema import ArmKey, PlannedCell, RoundRecord
from ortbench.results.summary import worded_layout
from ortbench.runner.budget import CellCost, expected_cell_cost, min_rounds
from ortbench.runner.launch import Launch
from ortbench.runner.memory import ArmMemory, available_mib, inputs_mib, shortage
from ortbench.runner.order import round_order
from ortbench.runner.pilot import PILOT_SLICE_NS, PilotSlices, best_slice_ns
from ortbench.runner.proving import Checks
from ortbench.runner.record import inside_calls_ns
from ortbench.runner.rounds import RoundRunner
from ortbench.units import format_seconds

if TYPE_CHECKING:
    from ortbench.runner.study import Study

# A round that finds its cell's time used up by less than this share of a round still runs.
_ROUND_SLACK = 0.5
# Spoiled rounds are repeated for at most this share of the time that the cell has anyway.
_MOST_REPEATED = 0.5


class CellRunner:
    """Runs cells, and remembers what each costs."""

    def __init__(self, study: Study, rounds: RoundRunner) -> None:
        self._study = study
        self._rounds = rounds
        self._checks = Checks(study)
        self._costs: dict[str, CellCost] = {}
        self._slice_ns: dict[str, int] = {}
        self._per_item_mib: dict[ArmKey, float] = {}

    def measured(self, cell: PlannedCell) -> bool:
        """Say whether the cell was measured in this part of the study."""
        return cell.key.id in self._costs

    def cost(self, cell: PlannedCell) -> CellCost:
        """Return what the cell cost last; nothing before its first time."""
        return self._costs.get(cell.key.id, CellCost(0.0, 0.0))

    def measure(self, launch: Launch, cell: PlannedCell, seconds: float, left_s: float) -> None:
        """Make the cell's arms ready and run rounds for so many seconds.

        Args:
            launch: whose arms run.
            cell: the cell.
            seconds: of rounds; never fewer rounds than the minimum.
            left_s: of the time that the cell's group may still use.
        """
        if reason := self._obstacle(launch, cell, left_s):
            self._study.record.skipped[cell.key.id] = reason
            # It is not planned again, though what was measured of it before counts.
            self._costs.pop(cell.key.id, None)
            self._study.observer.say(f"skipped {cell.key.id}: {reason}")
            return
        began = launch.clock()
        self._enter(launch, cell, "warming up")
        with self._study.record.spending("preparing"):
            self._prepare(launch, cell)
        prepare_s = launch.clock() - began
        self._enter(launch, cell, "measuring")
        with self._study.record.spending("rounds"):
            lines, count = self._run_rounds(launch, cell, seconds)
        rounds_s = launch.clock() - began - prepare_s
        if count:
            self._costs[cell.key.id] = CellCost(prepare_s, rounds_s / count)
            self._study.record.skipped.pop(cell.key.id, None)
            # Under a load a slice is one run of LoadGen, however long its calls are.
            if cell.key.id not in self._slice_ns and not cell.key.load:
                self._slice_ns[cell.key.id] = self._choose_slice(lines, rounds_s)

    def _prepare(self, launch: Launch, cell: PlannedCell) -> None:
        study = self._study
        keys = launch.running(study.record.arms_in(cell))
        records = self._checks.prepare(launch, cell, self._slice_ns.get(cell.key.id, PILOT_SLICE_NS))
        study.tell(study.record.keep_launches(records))
        for key in launch.running(keys):
            [memory] = launch.memory([key])
            self._per_item_mib[key] = memory.per_item_mib

    def _run_rounds(self, launch: Launch, cell: PlannedCell, seconds: float) -> tuple[list[RoundRecord], int]:
        """Run rounds for so many seconds, and again those that were spoiled; return the lines and their number."""
        study, began, repeat_s = self._study, launch.clock(), 0.0
        lines: list[RoundRecord] = []
        for count in itertools.count():
            keys = launch.running(study.record.arms_in(cell))
            spent = launch.clock() - began
            typical = spent / count if count else 0.0
            enough_s = seconds + min(repeat_s, _MOST_REPEATED * seconds)
            if not keys or (count >= max(1, min_rounds(typical)) and spent + _ROUND_SLACK * typical > enough_s):
                return lines, count
            done = study.record.rounds_done(cell.key.id)
            order = [keys[place] for place in round_order(len(keys), done, study.plan.settings.seed)]
            new, failures = self._rounds.run(launch, [(key, cell.key) for key in order], count + 1)
            study.record.keep_rounds(new)
            study.tell(study.record.keep_launches(failures))
            lines += new
            if new and new[0].spoiled:
                repeat_s += launch.clock() - began - spent
            study.observer.progress(study)
        raise AssertionError("unreachable: count() does not end")

    def _choose_slice(self, lines: list[RoundRecord], rounds_s: float) -> int:
        """Choose how long slices are from here on, by the rounds of the first launch."""
        arms = {key: _slices(own) for key, own in by_arm(lines).items()}
        baseline = arms.pop(ArmKey(self._study.plan.settings.baseline), None)
        whole = [arm for arm in arms.values() if baseline and len(arm.samples_ns) == len(baseline.samples_ns)]
        inside_ns = sum(map(inside_calls_ns, lines))
        overhead_ns = max(0.0, rounds_s * 1e9 - inside_ns) / max(len(lines), 1)
        return best_slice_ns(baseline or PilotSlices(()), whole, overhead_ns)

    def _obstacle(self, launch: Launch, cell: PlannedCell, left_s: float) -> str | None:
        """Say why a cell is not begun: memory, time, or a reference that cannot run it. Makes the reference outputs."""
        size = cell.key.batch_size
        keys = launch.running(self._study.record.arms_in(cell))
        arms = [self._with_experience(key, launch.memory([key])[0]) for key in keys]
        if reason := shortage(arms, inputs_mib(self._study.plan.source, size), size, available_mib()):
            return reason
        if not self.measured(cell) and (reason := self.unaffordable(cell, left_s)):
            return reason
        try:
            if self._study.reference:
                self._study.reference.outputs(size)
        except OrtbenchError as error:
            return str(error)
        return None

    def _with_experience(self, key: ArmKey, memory: ArmMemory) -> ArmMemory:
        """Give a fresh process what an item took in an earlier launch."""
        return memory if memory.per_item_mib else replace(memory, per_item_mib=self._per_item_mib.get(key, 0.0))

    def unaffordable(self, cell: PlannedCell, left_s: float) -> str | None:
        """Say why a cell that was never measured does not fit into the time, by what smaller batches took."""
        known = [
            (other.key.batch_size, self._costs[other.key.id])
            for other in self._study.plan.cells
            if other.key.launch == cell.key.launch and other.key.id in self._costs
        ]
        # Under a load a round lasts as long with any batch.
        size = max((size for size, _ in known), default=0) if cell.key.load else cell.key.batch_size
        cost = expected_cell_cost(size, known)
        if cost is None or cost.minimum_s <= left_s:
            return None
        return (
            f"its first rounds would take about {format_seconds(cost.minimum_s)}, and "
            f"{format_seconds(max(left_s, 0))} of its share of --max-time is left"
        )

    def _enter(self, launch: Launch, cell: PlannedCell, what: str) -> None:
        key = cell.key
        place = ", ".join([f"batch size {key.batch_size}", *worded_layout(key.threads, key.instances, key.mode)])
        self._study.enter(f"launch {launch.number}, {place}: {what}")


def _slices(lines: list[RoundRecord]) -> PilotSlices:
    return PilotSlices(tuple(line.samples_ns for line in lines))

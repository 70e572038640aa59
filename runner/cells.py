"""One cell in one launch: is there time and memory for it, make its arms ready, run its rounds."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import TYPE_CHECKING

from ortbench.errors import OrtbenchError
from ortbench.results.schema import ArmKey, LaunchRecord, PlannedCell, RoundRecord
from ortbench.results.summary import worded_layout
from ortbench.runner.cell_costs import CellCosts, compiling_s
from ortbench.runner.costs import CellCost, min_rounds
from ortbench.runner.launch import Launch
from ortbench.runner.memory import ArmMemory, available_mib, inputs_mib, shortage
from ortbench.runner.order import round_order
from ortbench.runner.preparing import Preparing, stretches_s
from ortbench.runner.rounds import RoundRunner

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
        self._preparing = Preparing(study)
        self._costs = CellCosts(study.plan.cells)
        self._per_item_mib: dict[ArmKey, float] = {}

    def measured(self, cell: PlannedCell) -> bool:
        """Say whether the cell was measured in this part of the study."""
        return cell.key.id in self._costs.known

    def cost(self, cell: PlannedCell) -> CellCost:
        """Return what the cell cost last; nothing before its first time."""
        return self._costs.known.get(cell.key.id, CellCost(0.0, 0.0))

    def measure(
        self, launch: Launch, cell: PlannedCell, seconds: float, left_s: float, reserved_s: float = 0.0
    ) -> None:
        """Make the cell's arms ready and run rounds for so many seconds.

        Args:
            launch: whose arms run.
            cell: the cell.
            seconds: of rounds; never fewer rounds than the minimum.
            left_s: of the time that the cell's group may still use.
            reserved_s: of it, what the cells after this one need for their fewest rounds.
        """
        end_s = launch.clock() + left_s - reserved_s
        if self._may_wait(cell, left_s):
            return
        if reason := self._obstacle(launch, cell, left_s):
            self._study.record.skipped[cell.key.id] = reason
            # It is not planned again, though what was measured of it before counts.
            self._costs.known.pop(cell.key.id, None)
            self._study.observer.say(f"skipped {cell.key.id}: {reason}")
            return
        began = launch.clock()
        self._enter(launch, cell, "warming up")
        with self._study.record.spending("preparing"):
            records = self._prepare(launch, cell, seconds)
        prepare_s = launch.clock() - began
        self._enter(launch, cell, "measuring")
        with self._study.record.spending("rounds"):
            lines, count = self._run_rounds(launch, cell, seconds, end_s)
        rounds_s = launch.clock() - began - prepare_s
        if count:
            self._keep_cost(cell, prepare_s, rounds_s / count, lines, records)
            self._study.record.skipped.pop(cell.key.id, None)
            if slice_s := self._preparing.settle(cell, lines, records):
                known = self._costs.known
                known[cell.key.id] = known[cell.key.id].with_slices(slice_s)

    def _may_wait(self, cell: PlannedCell, left_s: float) -> bool:
        """Say whether a launch that took longer than was planned leaves the cell out: it has an interval already."""
        launches = self._study.record.launches_of(cell.key.id)
        return self.measured(cell) and launches > 1 and left_s < self.cost(cell).minimum_s

    def _keep_cost(
        self,
        cell: PlannedCell,
        prepare_s: float,
        round_s: float,
        lines: list[RoundRecord],
        records: list[LaunchRecord],
    ) -> None:
        first = not self.measured(cell)
        self._costs.keep(cell, prepare_s, round_s, lines)
        if first:
            known = self._costs.known
            once_s = min(compiling_s(records) + stretches_s(records), prepare_s)
            known[cell.key.id] = replace(known[cell.key.id], once_s=once_s)

    def _prepare(self, launch: Launch, cell: PlannedCell, seconds: float) -> list[LaunchRecord]:
        records = self._preparing.prepare(launch, cell, seconds)
        for key in launch.running(self._study.record.arms_in(cell)):
            [memory] = launch.memory([key])
            self._per_item_mib[key] = memory.per_item_mib
        return records

    def _run_rounds(
        self, launch: Launch, cell: PlannedCell, seconds: float, end_s: float = math.inf
    ) -> tuple[list[RoundRecord], int]:
        """Run rounds for so many seconds, and again those that were spoiled; return the lines and their number.

        Past `end_s` on the launch's clock no round begins but the first.
        """
        study, began, repeat_s = self._study, launch.clock(), 0.0
        lines: list[RoundRecord] = []
        counting: list[tuple[float, float]] = []  # when each round that counts so far began, and how long it took
        for count in itertools.count():
            keys = launch.running(study.record.arms_in(cell))
            spent = launch.clock() - began
            typical = spent / count if count else 0.0
            enough_s = seconds + min(repeat_s, _MOST_REPEATED * seconds)
            late = count > 0 and began + spent > end_s
            enough = count >= max(1, min_rounds(typical)) and spent + _ROUND_SLACK * typical > enough_s
            if not keys or late or enough:
                return lines, count
            done = study.record.rounds_done(cell.key.id)
            order = [keys[place] for place in round_order(len(keys), done, study.plan.settings.seed)]
            new, failures = self._rounds.run(launch, [(key, cell.key) for key in order], count + 1)
            study.record.keep_rounds(new)
            study.tell(study.record.keep_launches(failures))
            lines += new
            if new:
                counting.append((new[0].started_s, launch.clock() - began - spent))
            if new and new[0].spoiled:
                since_s = new[0].started_s if new[0].spoiled_since_s is None else new[0].spoiled_since_s
                while counting and counting[-1][0] >= since_s:
                    repeat_s += counting.pop()[1]
            study.observer.progress(study)
        raise AssertionError("unreachable: count() does not end")

    def _obstacle(self, launch: Launch, cell: PlannedCell, left_s: float) -> str | None:
        """Say why a cell is not begun: memory, time, or a reference that cannot run it. Makes the reference outputs."""
        size = cell.key.batch_size
        keys = launch.running(self._study.record.arms_in(cell))
        arms = [self._with_experience(key, launch.memory([key])[0]) for key in keys]
        if reason := shortage(arms, inputs_mib(self._study.plan.source, size), size, available_mib()):
            return reason
        if not self.measured(cell) and (reason := self._no_time(launch, cell, left_s)):
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

    def _no_time(self, launch: Launch, cell: PlannedCell, left_s: float) -> str | None:
        """Say why a cell is given up for want of time; before that one call of it is measured, if that fits."""
        keys = launch.running(self._study.record.arms_in(cell))
        if not keys or not self.unaffordable(cell, left_s):
            return None
        # Two sizes say how calls grow. One does not, so a call is made whatever it is expected to take.
        if left_s > (self._costs.expected_call_s(cell) if self._costs.sizes_known(cell) > 1 else 0.0):
            began = launch.clock()
            self._enter(launch, cell, "measuring one call")
            with self._study.record.spending("preparing"):
                tried = launch.try_call(cell.key, keys[0], left_s / 4)
            if isinstance(tried, LaunchRecord):
                self._study.tell(self._study.record.keep_launches([tried]))
                return None
            self._costs.try_out(cell, keys[0], tried)
            left_s -= launch.clock() - began
        return self.unaffordable(cell, left_s)

    def unaffordable(self, cell: PlannedCell, left_s: float) -> str | None:
        """Say why a cell that was never measured does not fit into the time, by the calls measured so far."""
        return self._costs.unaffordable(cell, left_s)

    def _enter(self, launch: Launch, cell: PlannedCell, what: str) -> None:
        key = cell.key
        place = ", ".join([f"batch size {key.batch_size}", *worded_layout(key.threads, key.instances, key.mode)])
        self._study.enter(f"launch {launch.number}, {place}: {what}")

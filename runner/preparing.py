"""A cell's arms made ready in one launch, and what its first launch settles for those that follow."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from ortbench.results.pairing import by_arm
from ortbench.results.schema import ArmKey, LaunchRecord, PlannedCell, RoundRecord, SlicePlan
from ortbench.runner.proving import Checks
from ortbench.runner.readying import (
    Readied,
    long_calls,
    run_first_round,
    run_stretches,
    stretch_ns,
    warms_up_in_a_round,
)
from ortbench.runner.slices import Known, overhead_between_ns, pilot_arm, settled_slices, warm_up_calls

if TYPE_CHECKING:
    from ortbench.runner.launch import Launch
    from ortbench.runner.study import Study


class Preparing:
    """Makes the arms of a study's cells ready; how their slices are made up stands in its run.json."""

    def __init__(self, study: Study) -> None:
        self._study = study
        self._checks = Checks(study)

    def prepare(self, launch: Launch, cell: PlannedCell, seconds: float) -> list[LaunchRecord]:
        """Make the cell's arms ready, put them on record, and return their records.

        Args:
            launch: whose arms they are.
            cell: for which.
            seconds: of the rounds that follow, by which stretches are long or short.
        """
        study, readied, known = self._study, Readied(), self._known(launch, cell)
        long = [] if cell.key.load else long_calls(known)
        told = {key: warms_up_in_a_round(one) if key in long else one for key, one in known.items()}
        records = self._checks.prepare(launch, cell, told)
        bad = {ArmKey(record.engine, record.twin) for record in records if record.status != "ok"}
        ready = [key for key in launch.running(study.record.arms_in(cell)) if key not in bad]
        if known:
            run_first_round(launch, cell.key, [key for key in ready if key in long], readied)
        else:
            each_ns = stretch_ns(seconds, len(ready))
            run_stretches(launch, [(key, cell.key) for key in ready], each_ns, study.plan.settings.seed, readied)
        completed = readied.completed(records)
        study.tell(study.record.keep_launches(completed))
        return completed

    def settle(self, cell: PlannedCell, lines: Sequence[RoundRecord], records: Sequence[LaunchRecord]) -> float | None:
        """Choose how slices are made up from here on, by a cell's first launch, and put it on record.

        Returns:
            How long a slice will be on average, its lead-in included, in s; None where it was settled before, and under
            a load, where LoadGen says how long.
        """
        if self._plans(cell) or not lines:
            return None
        study = self._study
        stretches = {ArmKey(record.engine, record.twin): record.stretches_ns for record in records}
        arms = {key: pilot_arm(own, stretches.get(key, ())) for key, own in by_arm(lines).items()}
        plans = settled_slices(cell.key.id, arms, study.plan.settings.baseline, overhead_between_ns(lines))
        study.run = msgspec.structs.replace(study.run, slices=(*study.run.slices, *plans))
        if cell.key.load or not plans:
            return None
        lengths = {plan.engine: (plan.lead_in + plan.calls) * plan.call_ns / 1e9 for plan in plans}
        return statistics.fmean(lengths[key.engine] for key in arms if key.engine in lengths)

    def _plans(self, cell: PlannedCell) -> Mapping[str, SlicePlan]:
        """Return engine -> how its slices are made up; nothing before the cell's first launch is over."""
        return {plan.engine: plan for plan in self._study.run.slices if plan.cell == cell.key.id}

    def _known(self, launch: Launch, cell: PlannedCell) -> dict[ArmKey, Known]:
        """Return what earlier launches found out about the cell's arms; nothing in the first."""
        record, plans = self._study.record, self._plans(cell)
        return {
            key: Known(plans[key.engine], warm_up_calls(record.launches, cell.key.id, key))
            for key in launch.running(record.arms_in(cell))
            if key.engine in plans
        }


def stretches_s(records: Sequence[LaunchRecord]) -> float:
    """Return how long the stretches of a first launch took, which no other has."""
    return sum(sum(row) for record in records for row in record.stretches_ns) / 1e9

"""Parity before any timing: which arms still need the full check, what it may take, and what follows where it fails."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ortbench.errors import OrtbenchError
from ortbench.models.agreement import WANTED_INPUTS
from ortbench.models.file_facts import file_notes
from ortbench.models.special_values import describe
from ortbench.results.agreement import fully_checked
from ortbench.results.schema import ArmKey, LaunchRecord, PlannedCell
from ortbench.results.summary import arm_label
from ortbench.runner.arm import ReferenceOutputs
from ortbench.runner.blame import blamed, disagrees, in_other_cell, locate
from ortbench.runner.order import shuffled

if TYPE_CHECKING:
    from ortbench.runner.launch import Launch
    from ortbench.runner.slices import Known
    from ortbench.runner.study import Study

# All full checks of a study together add about this share of --max-time at most; each may take five seconds anyway.
_SHARE = 0.25
_LEAST_S = 5.0
_INSPECTION_S = 10.0


def check_limit_s(max_time_s: float, groups: int, arms: int) -> float:
    """Return how long the full check of one arm may take; the reference, as one more arm, gets as long."""
    return max(_LEAST_S, _SHARE * max_time_s / (groups * (arms + 1)))


class Checks:
    """The full checks of a study.

    They are done once, before anything is timed: their time is neither the cell's cost nor taken from --max-time.
    """

    def __init__(self, study: Study) -> None:
        self._study = study
        self._located: dict[tuple[str, int], tuple[str, str]] = {}

    def prepare(self, launch: Launch, cell: PlannedCell, known: Mapping[ArmKey, Known]) -> list[LaunchRecord]:
        """Make the cell's arms ready, those first that were not fully checked in the cell's group.

        The order is another one in each launch: an arm that is always the last would always rest the least.
        """
        study, size = self._study, cell.key.batch_size
        place = f"{study.plan.settings.seed}/{launch.number}/{cell.key.id}"
        keys = shuffled(launch.running(study.record.arms_in(cell)), place)
        path = study.reference.outputs(size) if study.reference else None
        unchecked = [key for key in keys if path and not self._checked(cell, key)]
        quick = ReferenceOutputs(study.plan.reference_name, path)
        records = launch.prepare(cell.key, unchecked, self._full(launch, quick, size), known) if unchecked else []
        self._count(launch, sum((record.parity or {}).get("seconds") or 0.0 for record in records))
        records += launch.prepare(cell.key, [key for key in keys if key not in unchecked], quick, known)
        return [follow for record in records for follow in self._follow_up(launch, cell, record)]

    def _checked(self, cell: PlannedCell, key: ArmKey) -> bool:
        # The twin too: it would look sound beside an engine that fails for the second input of many.
        random = self._study.reference is not None and self._study.reference.random
        if random or not self._study.plan.engine(key.engine).entry.computes:
            return True
        ids = {other.key.id for other in self._group(cell)}
        return fully_checked(self._study.record.launches, ids, key)

    def _group(self, cell: PlannedCell) -> Sequence[PlannedCell]:
        return next(group for group in self._study.plan.groups if cell in group)

    def _full(self, launch: Launch, quick: ReferenceOutputs, batch_size: int) -> ReferenceOutputs:
        study, began = self._study, time.perf_counter()
        plan = study.plan
        limit_s = check_limit_s(plan.settings.max_time_s, len(plan.groups), max(len(cell.arms) for cell in plan.cells))
        batches: tuple[Path, ...] = ()
        try:
            if study.reference:
                batches = study.reference.batches(batch_size, WANTED_INPUTS, limit_s)
        except OrtbenchError as error:
            study.observer.say(f"outputs are compared for one batch only: {error}")
        self._count(launch, time.perf_counter() - began)
        return ReferenceOutputs(quick.engine, quick.path, batches, WANTED_INPUTS, limit_s)

    def _count(self, launch: Launch, seconds: float) -> None:
        """Give time back that the study's clock and the cell's preparing were charged."""
        launch.lost_s += seconds
        self._study.record.time_s["parity"] += seconds
        self._study.record.time_s["preparing"] -= seconds

    def _follow_up(self, launch: Launch, cell: PlannedCell, record: LaunchRecord) -> list[LaunchRecord]:
        """Return the record; of an arm that disagrees with the place in its reason, and for its other cells too."""
        if (record.parity or {}).get("full"):
            record = msgspec.structs.replace(record, parity={**(record.parity or {}), **self._study.special_values})
        if not disagrees(record):
            return [record]
        record = blamed(record, self._locate(launch, cell, record))
        if not (record.parity or {}).get("full"):
            return [record]
        key = ArmKey(record.engine, record.twin)
        others = [other for other in self._group(cell) if other != cell and key in self._study.record.arms_in(other)]
        return [record, *(in_other_cell(record, other.key.id) for other in others)]

    def _locate(self, launch: Launch, cell: PlannedCell, record: LaunchRecord) -> str:
        """Bisect once for an engine and thread count; its twin and its other cells are told what was found."""
        key = (record.engine, cell.key.threads)
        if key not in self._located:
            began = time.perf_counter()
            label = arm_label(ArmKey(record.engine, record.twin))
            self._study.observer.say(f"{label} disagrees in {cell.key.id}: looking for where that begins")
            place = locate(launch.plan(ArmKey(record.engine, record.twin)), cell.key.batch_size, record.parity or {})
            self._located[key] = cell.key.id, place
            self._count(launch, time.perf_counter() - began)
        where, place = self._located[key]
        return place if where == cell.key.id else f"{place} (found in {where})"


def inspect_model(study: Study, batch_size: int) -> None:
    """Look for NaN, Inf and denormals in the model, and put what is found among the run's notes. Raises nothing."""
    if study.reference is None:
        return
    with study.record.spending("inspecting"):
        try:
            found = study.reference.inspect(batch_size, _INSPECTION_S)
        except OrtbenchError as error:
            notes = [f"the model was not looked through for NaN, Inf and denormals: {error}"]
        else:
            pairs = (("the model's weights", found.weights), ("its intermediate tensors", found.intermediates))
            notes = [note for what, values in pairs if values and (note := describe(what, values))]
            study.special_values = msgspec.to_builtins(found)
            study.special_values.pop("type", None)
    notes += file_notes(study.plan.source.facts, random=study.reference.random)
    study.run = msgspec.structs.replace(study.run, notes=(*study.run.notes, *notes))

"""Run a study: launches of groups of cells within a time budget, every round on record as soon as it is over."""

from __future__ import annotations

import tempfile
import time
import uuid
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import msgspec

from ortbench.results.derive import summarize
from ortbench.results.folder import RUN_FILE, write_json, writing_to
from ortbench.results.roofline import Roofline
from ortbench.results.schema import (
    ArmKey,
    ArtifactRecord,
    CellKey,
    LaunchRecord,
    PlannedCell,
    RoundRecord,
    Run,
    RunState,
)
from ortbench.results.summary import Summary
from ortbench.runner.arm import ArmPlan
from ortbench.runner.arm_plans import ArmPlanner, waits_for_export_or_build
from ortbench.runner.budget import CellState, GroupState, first_launch_seconds, next_launch
from ortbench.runner.cell_states import cell_state
from ortbench.runner.cells import CellRunner
from ortbench.runner.costs import CellCost
from ortbench.runner.cpus import choose_cpus
from ortbench.runner.finals import Finals, finals_share
from ortbench.runner.interruption import ignore_interruptions
from ortbench.runner.jobs import Reference
from ortbench.runner.launch import Launch
from ortbench.runner.order import shuffled
from ortbench.runner.outcome import finished_run, time_for_intervals_s, with_artifacts, with_overrun
from ortbench.runner.planning import StudyPlan
from ortbench.runner.record import StudyRecord
from ortbench.runner.rounds import RoundRunner
from ortbench.runner.sentinel import Sentinel


class Observer(Protocol):
    """Whoever watches a study; called between slices only, never while one runs."""

    def say(self, text: str) -> None:
        """Something worth a line happened."""

    def progress(self, study: Study) -> None:
        """A round is over; `study.summary()` has the figures so far."""


@dataclass
class Study:
    """A study under way, and everything measured so far.

    Attributes:
        plan: what is to be measured.
        folder: the results folder, made by `begin`.
        run: what stands in run.json; replaced as the study goes on.
        reference: gives the expected outputs; None where no engine computes anything.
        observer: is told what happens.
        spent_s: by an earlier part of this study, what is not of --max-time included.
        special_values: NaN, Inf and denormals in the model's weights and intermediate tensors; see `proving.py`.
    """

    plan: StudyPlan
    folder: Path
    run: Run
    reference: Reference | None
    observer: Observer
    record: StudyRecord
    spent_s: float = 0.0
    special_values: dict[str, Any] = field(default_factory=dict)
    phase: str = "starting"
    _early: Launch | None = None
    _early_failures: list[LaunchRecord] = field(default_factory=list)
    _early_s: float = 0.0
    _start_s: dict[int, float] = field(default_factory=dict)
    _planner: ArmPlanner = field(init=False)
    _finals: Finals = field(init=False)
    # The part of --max-time that is for the cells; the rest is for the finals.
    _cells_s: float = field(init=False)

    def __post_init__(self) -> None:
        # Named here, so that a launch finds what the one before it compiled, and no other study's.
        compiled = Path(tempfile.gettempdir()) / f"ortbench-compiled-{uuid.uuid4().hex}"
        self._planner = ArmPlanner(self.plan, self.run.artifacts, compiled=compiled)
        self._finals = Finals(self)
        self._cells_s = self.plan.settings.max_time_s * (1 - finals_share(self.plan))

    @property
    def rounds(self) -> list[RoundRecord]:
        """Every slice so far."""
        return self.record.rounds

    def start_early(self) -> None:
        """Load what the first launch needs and the export does not hold up; the study's clock is not running yet."""
        group = self.plan.groups[0]
        plans = self.plans_for(self._arms_of(group), group[0].key)
        waiting = [plan for plan in plans if waits_for_export_or_build(plan)]
        began = time.perf_counter()
        self._early = Launch(self.record.last_launch() + 1, self.plan.load)
        self._early_failures = self._early.start([plan for plan in plans if plan not in waiting])
        self._early_s = time.perf_counter() - began

    def begin(self) -> None:
        """Make the results folder and write what is known; from here on nothing measured is lost."""
        with writing_to(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        self._save(self.run)

    def build(self, artifacts: Mapping[str, ArtifactRecord]) -> None:
        """Build what engines need before they can be loaded; the study's clock is not running yet.

        Args:
            artifacts: the ONNX files by precision; empty where no engine needs one.
        """
        self.run = with_artifacts(self.run, artifacts)
        self._planner.artifacts = self.run.artifacts
        for group in self.plan.groups:
            for key in self._arms_of(group):
                self._planner.build(key, group[0].key, self.observer.say)

    def close(self) -> None:
        """End what was started early, should it never be used, and remove what engines compiled."""
        self._end_early()
        self._planner.forget_compiled()

    def _end_early(self) -> None:
        if self._early is not None:
            self._early.end()
        self._early, self._early_failures = None, []

    def measure(self) -> Run:
        """Measure until the target is met or the time is spent; return the finished run.json.

        An interruption ends it early, with the state on record and without an exception.

        Raises:
            RecordError: the results folder can no longer be written; what was written before is kept.
        """
        self._began = time.perf_counter() - self.spent_s
        state: RunState = "complete"
        try:
            with ExitStack() as stack:
                stack.enter_context(self.record.writing(self.folder))
                self._measure_launches(stack)
        except KeyboardInterrupt:
            state = "interrupted"
            ignore_interruptions()
        self.run = with_overrun(self._ended(state), self.plan.settings.max_time_s)
        if state == "complete":
            given_s = self.plan.settings.max_time_s
            longer_s = time_for_intervals_s(self._group_states(), given_s, self._cells_s / given_s)
            self.run = msgspec.structs.replace(self.run, time_for_intervals_s=longer_s)
        self._save(self.run)
        return self.run

    def keep_roofline(self, roofline: Roofline) -> None:
        """Put the model's work and the machine's roofs on record."""
        spent_s = self.record.time_s.get("roofs", 0.0)
        time_s = {**self.run.time_s, **({"roofs": round(spent_s, 3)} if spent_s else {})}
        self.run = msgspec.structs.replace(self.run, roofline=roofline, time_s=time_s)
        self._save(self.run)

    def summary(self) -> Summary:
        """Return the summary of what was measured so far."""
        return summarize(self.run, self.record.rounds, self.record.launches, self._finals.rounds)

    def elapsed_s(self) -> float:
        """Return the seconds since measuring began, earlier parts of the study included."""
        return time.perf_counter() - self._began

    def enter(self, phase: str) -> None:
        """Say what is being done now."""
        self.phase = phase
        self.observer.progress(self)

    def _measure_launches(self, stack: ExitStack) -> None:
        sentinel = stack.enter_context(Sentinel(choose_cpus(1)))
        gpu = any(engine.target != "cpu" for engine in self.plan.engines)
        runner = RoundRunner(sentinel, self._began, gpu=gpu)
        self._cells = CellRunner(self, runner)
        pilot_s = first_launch_seconds(max(0.0, self._remaining_s()), len(self.plan.cells))
        for index, group in enumerate(self.plan.groups):
            # A study that is continued may have all it wants of a group.
            seconds = {cell.key.id: pilot_s for cell in group if not self._has_enough(cell)}
            share_s = self._remaining_s() / (len(self.plan.groups) - index)
            self._run_launch(index, group, seconds, share_s)
            # What was started early was for the first group.
            self._end_early()
        self._try_skipped_again(pilot_s)
        self._repeat_launches()
        if not self._finals.run(self._remaining_s() + self.plan.settings.max_time_s - self._cells_s):
            # Nobody has to meet, as where the baseline was not measured as it comes: the time is the cells' again.
            self._cells_s = self.plan.settings.max_time_s
            self._repeat_launches()

    def _repeat_launches(self) -> None:
        """Run launches until every target is met or the cells' time is spent."""
        while planned := next_launch(self._group_states(), self._remaining_s()):
            group = self.plan.groups[planned.group]
            self._run_launch(planned.group, group, planned.seconds, self._remaining_s())

    def _try_skipped_again(self, pilot_s: float) -> None:
        """Begin cells that did not fit into their group's share, where the others left enough of theirs."""
        for index, group in enumerate(self.plan.groups):
            left_s = self._remaining_s() - self._start_s.get(index, 0.0)
            late = [
                cell.key.id
                for cell in group
                if cell.key.id in self.record.skipped and not self._cells.unaffordable(cell, left_s)
            ]
            if len(self.plan.groups) > 1:
                self._run_launch(index, group, dict.fromkeys(late, pilot_s), self._remaining_s())

    def _remaining_s(self) -> float:
        """Return what is left of the cells' time; waiting for an arm that hung is nobody's time."""
        return self._cells_s - self.elapsed_s() + self.record.time_s["lost"]

    def _group_states(self) -> list[GroupState]:
        return [
            GroupState(
                index,
                self._start_s.get(index, 0.0),
                tuple(self._state(cell) for cell in group if self._cells.measured(cell) and self.record.arms_in(cell)),
            )
            for index, group in enumerate(self.plan.groups)
        ]

    def _state(self, cell: PlannedCell) -> CellState:
        return cell_state(self.record, cell, self._cells.cost(cell), self.plan.settings.target)

    def _has_enough(self, cell: PlannedCell) -> bool:
        """Say whether a study that is continued has all of a cell that it wants, or can still have."""
        state = self._state(cell)
        return state.done or (state.launches > 0 and self._remaining_s() <= 0)

    def _run_launch(self, index: int, group: list[PlannedCell], seconds: dict[str, float], share_s: float) -> None:
        """Run one launch of a group: the cells named, each for so many seconds of rounds, `share_s` in all."""
        cells = [cell for cell in group if cell.key.id in seconds and self.record.arms_in(cell)]
        if not cells:
            return
        number = self.record.last_launch() + 1
        keys = self._arms_of(cells)
        self.enter(f"launch {number}: starting {len(keys)} processes")
        launch, failures = self._early or Launch(number, self.plan.load), self._early_failures
        self._early, self._early_failures = None, []
        began = launch.clock()
        with launch:
            with self.record.spending("starting"):
                failures = failures + launch.start(self.plans_for(keys, group[0].key))
            self.tell(self.record.keep_launches(self.record.in_every_cell(failures, cells)))
            # What was started early will cost its time in the next launch.
            self._start_s[index] = launch.clock() - began + self._early_s
            self._early_s = 0.0
            self._planner.load_s |= launch.load_seconds()
            turns = self._in_turn(cells, number)
            for place, cell in enumerate(turns, 1):
                left_s = share_s - (launch.clock() - began)
                # Where a launch takes longer than was planned, the first cells do not use up the time of the last.
                reserved_s = sum(self._reserved_s(other, left_s / (len(turns) - place + 1)) for other in turns[place:])
                self._cells.measure(launch, cell, seconds[cell.key.id], left_s, reserved_s)
        self.record.time_s["lost"] += launch.lost_s
        self.record.time_s["parent_cpu"] += launch.parent_cpu_s
        self.keep_state()

    def _reserved_s(self, cell: PlannedCell, share_s: float) -> float:
        """Return what a cell whose turn comes later needs; its even share where that is not known yet."""
        return self._cells.cost(cell).minimum_s if self._cells.measured(cell) else max(share_s, 0.0)

    def _in_turn(self, cells: list[PlannedCell], number: int) -> list[PlannedCell]:
        """Return cells in the order in which a launch measures them: another one each time.

        In a group's first launch small batches come first, since by what they take larger ones are judged.
        """
        if not all(map(self._cells.measured, cells)):
            return cells
        return shuffled(cells, f"{self.plan.settings.seed}/{number}")

    def keep_state(self) -> None:
        """Put the time spent so far on record: a study that is killed can be continued from here."""
        self._save(self._ended("running"))

    def tell(self, failures: list[LaunchRecord]) -> None:
        """Say which arms take no further part."""
        for record in failures:
            self.observer.say(f"{record.engine} {record.status} in {record.cell}: {record.reason}")

    def _arms_of(self, cells: list[PlannedCell]) -> list[ArmKey]:
        """Return the arms that any of the cells still needs, in the plan's order."""
        return list(dict.fromkeys(key for cell in cells for key in self.record.arms_in(cell)))

    def arm_plans(self, cell: PlannedCell) -> list[ArmPlan]:
        """Return what the arms of a cell run, its twin left out."""
        return self.plans_for([key for key in cell.arms if not key.twin], cell.key)

    def plans_for(self, keys: list[ArmKey], cell: CellKey) -> list[ArmPlan]:
        """Return what these arms run in a cell."""
        return [self._planner.plan_arm(key, cell) for key in keys]

    def cost(self, cell: PlannedCell) -> CellCost:
        """Return what a cell cost last; nothing where this part of the study did not measure it."""
        return self._cells.cost(cell)

    def start_s(self, cell: PlannedCell) -> float:
        """Return what starting and loading all arms of a cell's group took last; 0 where this part never did."""
        return next(self._start_s.get(index, 0.0) for index, group in enumerate(self.plan.groups) if cell in group)

    def _save(self, run: Run) -> None:
        """Write run.json."""
        with writing_to(self.folder):
            write_json(self.folder / RUN_FILE, run)

    def _ended(self, state: RunState) -> Run:
        """Return run.json's content as things stand."""
        time_s = {**self.record.time_s, "total": self.elapsed_s()}
        return finished_run(self.run, state, self.record, time_s)

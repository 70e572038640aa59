"""Run a study: launches of groups of cells within a time budget, every round on record as soon as it is over."""

from __future__ import annotations

import itertools
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import msgspec

from ortbench.engines.base import LoadRequest
from ortbench.results.derive import summarize
from ortbench.results.folder import RUN_FILE, write_json
from ortbench.results.journal import Journal
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
from ortbench.runner.budget import (
    LAUNCHES_BEFORE_STOPPING,
    CellCost,
    allot_launch,
    expected_cell_cost,
    first_launch_seconds,
    min_rounds,
)
from ortbench.runner.jobs import Reference
from ortbench.runner.launch import ArmPlan, Launch
from ortbench.runner.order import round_order
from ortbench.runner.outcome import finished_run
from ortbench.runner.planning import StudyPlan
from ortbench.units import format_seconds

# A round that finds its cell's time used up by less than this share of a round still runs.
_ROUND_SLACK = 0.5


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
    """

    plan: StudyPlan
    folder: Path
    run: Run
    reference: Reference | None
    observer: Observer
    rounds: list[RoundRecord] = field(default_factory=list)
    launches: list[LaunchRecord] = field(default_factory=list)
    phase: str = "starting"
    _early: Launch | None = None
    _early_failures: list[LaunchRecord] = field(default_factory=list)
    _early_s: float = 0.0
    _out: set[tuple[str, ArmKey]] = field(default_factory=set)
    _costs: dict[str, CellCost] = field(default_factory=dict)
    _skipped: dict[str, str] = field(default_factory=dict)
    _rounds_done: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    _time_s: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    def start_early(self) -> None:
        """Load what the first launch needs and the export does not hold up; the study's clock is not running yet."""
        group = self.plan.groups[0]
        plans = [self._arm_plan(key, group[0].key) for key in group[0].arms]
        waiting = [plan for plan in plans if plan.engine.entry.needs_artifact and self.plan.source.path is None]
        began = time.perf_counter()
        self._early = Launch(1, group[0].key.threads)
        self._early_failures = self._early.start([plan for plan in plans if plan not in waiting])
        self._early_s = time.perf_counter() - began

    def begin(self, artifact: ArtifactRecord | None) -> None:
        """Make the results folder and write what is known; from here on nothing measured is lost.

        Args:
            artifact: the ONNX file; None where no engine needs one.
        """
        self.run = msgspec.structs.replace(self.run, artifact=artifact)
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self.folder / RUN_FILE, self.run)

    def close(self) -> None:
        """End what was started early, should the study never begin."""
        if self._early is not None:
            self._early.end()

    def measure(self) -> Run:
        """Measure until the target is met or the time is spent; return the finished run.json.

        An interruption ends it early, with the state on record and without an exception.
        """
        self._began = time.perf_counter()
        state: RunState = "complete"
        try:
            with Journal(self.folder) as journal:
                self._journal = journal
                self._measure_launches()
        except KeyboardInterrupt:
            state = "interrupted"
            if threading.current_thread() is threading.main_thread():
                # The rest is short, and a second Ctrl-C would only lose it.
                signal.signal(signal.SIGINT, signal.SIG_IGN)
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
        self._finish(state)
        return self.run

    def summary(self) -> Summary:
        """Return the summary of what was measured so far."""
        return summarize(self.run, self.rounds, self.launches)

    def elapsed_s(self) -> float:
        """Return the seconds since measuring began."""
        return time.perf_counter() - self._began

    def _measure_launches(self) -> None:
        groups = self.plan.groups
        share_s = self.plan.settings.max_time_s / len(groups)
        spent_s = [0.0] * len(groups)
        start_s = [0.0] * len(groups)
        for number in itertools.count(1):
            ran = False
            for index, group in enumerate(groups):
                remaining_s = share_s - spent_s[index]
                allotted = self._allot(number, group, remaining_s, start_s[index])
                if not allotted:
                    continue
                ran = True
                began = time.perf_counter()
                start_s[index] = self._run_launch(number, group, allotted, remaining_s)
                spent_s[index] += time.perf_counter() - began
            if not ran or self._target_met(number):
                break

    def _allot(self, number: int, group: list[PlannedCell], remaining_s: float, start_s: float) -> dict[str, float]:
        """Return the cells of the next launch, and the seconds of rounds for each."""
        alive = [cell.key.id for cell in group if self._arms_in(cell)]
        if number == 1:
            return dict.fromkeys(alive, first_launch_seconds(self.plan.settings.max_time_s, len(self.plan.cells)))
        costs = {cell: self._costs[cell] for cell in alive if cell in self._costs}
        return allot_launch(remaining_s, number - 1, start_s, costs)

    def _run_launch(
        self, number: int, group: list[PlannedCell], allotted: dict[str, float], remaining_s: float
    ) -> float:
        """Run one launch of a group; return the seconds it took to start."""
        began = time.perf_counter()
        self._enter(f"launch {number}: starting {len(group[0].arms)} engines")
        keys = {key for cell in group if cell.key.id in allotted for key in self._arms_in(cell)}
        plans = [self._arm_plan(key, group[0].key) for key in group[0].arms if key in keys]
        launch = Launch(number, group[0].key.threads)
        failures, self._early_failures = self._early_failures, []
        if self._early is not None:
            launch, self._early = self._early, None
        with launch:
            with self._spending("starting"):
                failures += launch.start(plans)
            for cell in group:
                self._keep_launches([msgspec.structs.replace(failure, cell=cell.key.id) for failure in failures])
            # What was started early will cost its time in the next launch.
            start_s = time.perf_counter() - began + self._early_s
            self._early_s = 0.0
            for cell in group:
                if cell.key.id in allotted:
                    left_s = remaining_s - (time.perf_counter() - began)
                    self._measure_cell(launch, cell, allotted[cell.key.id], left_s)
        return start_s

    def _measure_cell(self, launch: Launch, cell: PlannedCell, seconds: float, left_s: float) -> None:
        key = cell.key
        if launch.number == 1 and (reason := self._unaffordable(key, left_s)):
            self._skipped[key.id] = reason
            self.observer.say(f"skipped {key.id}: {reason}")
            return
        began = time.perf_counter()
        self._enter(f"launch {launch.number}, batch size {key.batch_size}, threads {key.threads}: warming up")
        with self._spending("preparing"):
            path = self.reference.outputs(key.batch_size) if self.reference else None
            keys = launch.running(self._arms_in(cell))
            self._keep_launches(launch.prepare(key, keys, self.plan.reference, path))
        prepare_s = time.perf_counter() - began
        self._enter(f"launch {launch.number}, batch size {key.batch_size}, threads {key.threads}: measuring")
        with self._spending("rounds"):
            count, rounds_s = self._run_rounds(launch, cell, seconds)
        if count:
            self._costs[key.id] = CellCost(prepare_s, rounds_s / count)

    def _run_rounds(self, launch: Launch, cell: PlannedCell, seconds: float) -> tuple[int, float]:
        """Run rounds of a cell for so many seconds, but never fewer than the minimum; return count and seconds."""
        began = time.perf_counter()
        for count in itertools.count():
            keys = launch.running(self._arms_in(cell))
            spent = time.perf_counter() - began
            typical = spent / count if count else 0.0
            if not keys or (count >= max(1, min_rounds(typical)) and spent + _ROUND_SLACK * typical > seconds):
                return count, spent
            done = self._rounds_done[cell.key.id]
            self._rounds_done[cell.key.id] += 1
            order = [keys[place] for place in round_order(len(keys), done, self.plan.settings.seed)]
            rounds, failures = launch.run_round(cell.key, order, count + 1, self._began)
            self._journal.append_round(rounds)
            self.rounds += rounds
            self._time_s["inside_calls"] += sum(sum(record.samples_ns) for record in rounds) / 1e9
            self._keep_launches(failures)
            self.observer.progress(self)
        raise AssertionError("unreachable: count() does not end")

    def _arms_in(self, cell: PlannedCell) -> list[ArmKey]:
        """Return the cell's arms that have not failed in it."""
        return [key for key in cell.arms if (cell.key.id, key) not in self._out]

    def _arm_plan(self, key: ArmKey, cell: CellKey) -> ArmPlan:
        engine = self.plan.engine(key.engine)
        request = LoadRequest(
            source=self.plan.source,
            artifact=self.run.artifact.path if self.run.artifact and engine.entry.needs_artifact else None,
            target=engine.target,
            threads=cell.threads,
            options=engine.options,
        )
        return ArmPlan(key, engine, request)

    def _keep_launches(self, records: list[LaunchRecord]) -> None:
        for record in records:
            self._journal.append_launch(record)
            self.launches.append(record)
            if record.status != "ok":
                self._out.add((record.cell, ArmKey(record.engine, record.twin)))
                self.observer.say(f"{record.engine} {record.status} in {record.cell}: {record.reason}")

    def _unaffordable(self, key: CellKey, left_s: float) -> str | None:
        """Say why a cell is not begun in the first launch: its fewest rounds would outlast the time there is."""
        known = [
            (cell.key.batch_size, self._costs[cell.key.id])
            for cell in self.plan.cells
            if cell.key.threads == key.threads and cell.key.id in self._costs
        ]
        cost = expected_cell_cost(key.batch_size, known)
        if cost is None or cost.minimum_s <= left_s:
            return None
        return (
            f"its first rounds would take about {format_seconds(cost.minimum_s)}, and "
            f"{format_seconds(max(left_s, 0))} of its share of --max-time is left"
        )

    def _target_met(self, launches: int) -> bool:
        """Whether every speedup is known as well as was wanted, after enough launches to believe it."""
        if launches < LAUNCHES_BEFORE_STOPPING:
            return False
        arms = [arm for cell in self.summary().cells for arm in cell.arms if arm.speedup]
        return bool(arms) and all(arm.target_met for arm in arms)

    def _enter(self, phase: str) -> None:
        self.phase = phase
        self.observer.progress(self)

    @contextmanager
    def _spending(self, what: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self._time_s[what] += time.perf_counter() - began

    def _finish(self, state: RunState) -> None:
        """Bring run.json up to date with how everything ended."""
        self._time_s["total"] = self.elapsed_s()
        self.run = finished_run(self.run, state, self.rounds, self.launches, self._skipped, self._time_s)
        write_json(self.folder / RUN_FILE, self.run)

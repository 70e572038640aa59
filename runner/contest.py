"""Configurations against each other: any threads, instances, allocator and batch size in the same interleaved rounds.

A study compares engines inside a cell; here every contestant has a cell of its own, and all are parked but one. The
parts are the study's: launches, rounds in balanced order, counters, parity.
"""

from __future__ import annotations

import itertools
import math
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol, Self

import msgspec

from ortbench.errors import OrtbenchError
from ortbench.models.spec import ModelSource
from ortbench.results.schema import ArmKey, CellKey, LaunchRecord, RoundRecord, SlicePlan
from ortbench.results.windows import mark_back
from ortbench.runner.arm import ArmPlan, ReferenceOutputs
from ortbench.runner.costs import min_rounds
from ortbench.runner.cpus import choose_cpus
from ortbench.runner.jobs import Reference
from ortbench.runner.launch import Launch
from ortbench.runner.memory import available_mib, inputs_mib, shortage
from ortbench.runner.order import round_order, shuffled
from ortbench.runner.pilot import USUAL_SLICE_NS
from ortbench.runner.readying import Readied, run_stretches
from ortbench.runner.rounds import RoundRunner
from ortbench.runner.sentinel import Sentinel
from ortbench.runner.slices import Known, slices_alone

# Of a contestant that runs for the first time; there may be many of them.
_STRETCH_NS = 50_000_000
# A single round is no interval.
_FEWEST_ROUNDS = 2


class Keeper(Protocol):
    """Where the record goes while it is being made; a `Journal` is one."""

    def append_round(self, records: Sequence[RoundRecord]) -> None:
        """Keep one round."""

    def append_launch(self, record: LaunchRecord) -> None:
        """Keep how a contestant was made ready, or how it ended."""


@dataclass(frozen=True)
class Contestant:
    """One configuration.

    Attributes:
        plan: what its processes run; contestants with the same key share processes.
        cell: the batch size and mode that it is made ready for.
        engine: what its lines in the record are called; with the cell's id it is unique in a contest.
    """

    plan: ArmPlan
    cell: CellKey
    engine: str

    @property
    def key(self) -> ArmKey:
        """Its processes' name among the arms."""
        return self.plan.key

    @property
    def place(self) -> tuple[str, str]:
        """Its name in the record."""
        return self.engine, self.cell.id


@dataclass
class Bout:
    """One launch under way, and what it gave so far.

    Attributes:
        rounds: a line for each slice.
        records: a line for each contestant, as it was made ready or ended.
        start_s: what starting the processes took.
    """

    launch: Launch
    contest: Contest
    contestants: Sequence[Contestant]
    rounds: list[RoundRecord] = field(default_factory=list)
    records: list[LaunchRecord] = field(default_factory=list)
    start_s: float = 0.0

    @property
    def failures(self) -> dict[tuple[str, str], str]:
        """Place -> why it takes no further part."""
        return {(one.engine, one.cell): one.reason or one.status for one in self.records if one.status != "ok"}

    @property
    def memory_mib(self) -> dict[tuple[str, str], float]:
        """Place -> the peak resident set of its processes, added up."""
        return {(one.engine, one.cell): one.memory_mib for one in self.records if one.memory_mib is not None}

    def start(self) -> None:
        """Start every process; one that cannot be loaded ends all its contestants."""
        began = time.perf_counter()
        plans = {one.key: one.plan for one in self.contestants}
        for record in self.launch.start(list(plans.values())):
            for one in self.contestants:
                if one.key.engine == record.engine:
                    self._keep(record, one)
        self.start_s = time.perf_counter() - began

    def run(self, stage: Sequence[Contestant], seconds: float, deadline: float = math.inf) -> None:
        """Make contestants ready one after the other, and run rounds of them.

        Args:
            stage: some of the contestants, no two of the same processes.
            seconds: of rounds; never fewer rounds than the minimum.
            deadline: of `time.perf_counter`; past it nobody is made ready, and no round begins but the first.
        """
        assert len({one.key for one in stage}) == len(stage), "a process is made ready for one batch at a time"
        turns = self._ready(stage, deadline)
        began = time.perf_counter()
        for count in itertools.count():
            spent = time.perf_counter() - began
            typical = spent / count if count else 0.0
            alive = self.launch.running([one.key for one in turns])
            turns = [one for one in turns if one.key in alive]
            enough = count >= max(_FEWEST_ROUNDS, min_rounds(typical)) and spent + typical / 2 > seconds
            if not turns or enough or (count and time.perf_counter() + typical > deadline):
                return
            self._round(turns)

    def _ready(self, stage: Sequence[Contestant], deadline: float) -> list[Contestant]:
        """Make contestants ready in another order each time; return those that are, in the order of the stage."""
        records: dict[tuple[str, str], LaunchRecord] = {}
        for one in shuffled(stage, f"{self.contest.seed}/{self.launch.number}"):
            if time.perf_counter() < deadline and (record := self._prepare(one)):
                records[one.place] = record
        turns = [one for one in stage if one.place in records]
        readied = self._settle_slices([one for one in turns if one.place not in self.contest.slices], records)
        for record, one in zip(readied.completed([records[one.place] for one in turns]), turns, strict=False):
            self._keep(record, one)
        by_key = {one.key.engine: one for one in turns}
        for failure in readied.failures:
            self._keep(failure, by_key[failure.engine])
        return [one for one in turns if self.launch.running([one.key])]

    def _settle_slices(self, new: Sequence[Contestant], records: Mapping[tuple[str, str], LaunchRecord]) -> Readied:
        """Choose how slices are made up of those that run for the first time, by stretches of calls in turn."""
        readied = Readied()
        run_stretches(self.launch, [(one.key, one.cell) for one in new], _STRETCH_NS, self.contest.seed, readied)
        for one in new:
            record = records[one.place]
            call_ns = statistics.median(record.warm_up_ns[-3:] or (record.first_call_ns or 1,))
            rows = readied.stretches.get(one.key, [])
            plan = slices_alone(one.cell.id, one.engine, rows, call_ns, USUAL_SLICE_NS)
            self.contest.slices[one.place] = plan
            self.launch.settle_slices(one.key, plan)
        return readied

    def _prepare(self, one: Contestant) -> LaunchRecord | None:
        """Make one ready; return its record, or None where it is not: why is on record then."""
        if not self.launch.running([one.key]):
            return None
        size = one.cell.batch_size
        memory = self.launch.memory([one.key])
        reason = shortage(memory, inputs_mib(self.contest.source, size), size, available_mib())
        try:
            expected = self.contest.expected(one) if reason is None else None
        except OrtbenchError as error:
            reason, expected = str(error), None
        if expected is None:
            record = LaunchRecord(
                cell=one.cell.id, launch=self.launch.number, engine=one.engine, status="skipped", reason=reason
            )
            self._keep(record, one)
            return None
        known = Known(self.contest.slices.get(one.place))
        [record] = self.launch.prepare(one.cell, [one.key], expected, {one.key: known})
        if record.status == "ok":
            return record
        self._keep(record, one)
        return None

    def _round(self, turns: Sequence[Contestant]) -> None:
        order = self.contest.next_order(len(turns))
        by_key = {(one.key.engine, one.cell.id): one for one in turns}
        # Numbered through all stages, so that only rounds that were the same are paired.
        number = self.contest.rounds_done
        lines, failures = self.contest.runner.run(
            self.launch, [(turns[place].key, turns[place].cell) for place in order], number
        )
        lines = [msgspec.structs.replace(line, engine=by_key[line.engine, line.cell].engine) for line in lines]
        self.rounds += lines
        for line in lines:
            mark_back(self.rounds, line)
        self.contest.keep_round(lines)
        for record in failures:
            self._keep(record, by_key[record.engine, record.cell])

    def _keep(self, record: LaunchRecord, one: Contestant) -> None:
        named = msgspec.structs.replace(record, engine=one.engine, cell=one.cell.id)
        self.records.append(named)
        self.contest.keep_launch(named)


class Contest:
    """Runs bouts. As a context manager it ends its sentinel on the way out."""

    def __init__(
        self, source: ModelSource, reference: Reference | None, seed: int, *, gpu: bool = False, launches: int = 0
    ) -> None:
        """Take what outputs are compared with.

        Args:
            source: the model.
            reference: gives the expected outputs; None where nothing is compared.
            seed: of the orders.
            gpu: whether any contestant computes on one.
            launches: how many there were before.
        """
        self.source = source
        self.lost_s = 0.0
        self.rounds_done = 0
        self._reference = reference
        self.seed = seed
        # Place -> how slices are made up there, in every bout.
        self.slices: dict[tuple[str, str], SlicePlan] = {}
        # Is given every line as soon as it is there.
        self.keeper: Keeper | None = None
        self._sentinel = Sentinel(choose_cpus(1))
        self.runner = RoundRunner(self._sentinel, time.perf_counter(), gpu=gpu)
        self.launches = launches

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sentinel.__exit__(kind, error, trace)

    @contextmanager
    def bout(self, contestants: Sequence[Contestant]) -> Iterator[Bout]:
        """Start every contestant anew; their processes end with the context."""
        self.launches += 1
        with Launch(self.launches) as launch:
            one = Bout(launch, self, contestants)
            try:
                one.start()
                yield one
            finally:
                self.lost_s += launch.lost_s

    def next_order(self, count: int) -> list[int]:
        """Return the order of the next round."""
        self.rounds_done += 1
        return round_order(count, self.rounds_done - 1, self.seed)

    def keep_round(self, lines: Sequence[RoundRecord]) -> None:
        """Put a round on record."""
        if self.keeper and lines:
            self.keeper.append_round(lines)

    def keep_launch(self, record: LaunchRecord) -> None:
        """Put a contestant's state on record."""
        if self.keeper:
            self.keeper.append_launch(record)

    def expected(self, one: Contestant) -> ReferenceOutputs:
        """Return what its outputs must agree with, made at the first asking.

        Raises:
            ModelError: the reference cannot run this batch size.
        """
        if self._reference is None or not one.plan.engine.entry.computes:
            return ReferenceOutputs("", None)
        return ReferenceOutputs(self._reference.label, self._reference.outputs(one.cell.batch_size))

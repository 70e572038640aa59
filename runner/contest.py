"""Configurations against each other: any threads, instances, allocator and batch size in the same interleaved rounds.

A study compares engines inside a cell; here every contestant has a cell of its own, and all are parked but one. The
parts are the study's: launches, rounds in balanced order, counters, parity.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Self

from ortbench.results.schema import ArmKey, CellKey, LaunchRecord, RoundRecord
from ortbench.runner.arm import ArmPlan, ReferenceOutputs
from ortbench.runner.budget import min_rounds
from ortbench.runner.cpus import choose_cpus
from ortbench.runner.jobs import Reference
from ortbench.runner.launch import Launch
from ortbench.runner.order import round_order
from ortbench.runner.pilot import PILOT_SLICE_NS
from ortbench.runner.rounds import RoundRunner
from ortbench.runner.sentinel import Sentinel

# An interval by ranks takes six launches.
_WANTED_LAUNCHES = 6
_FIRST_ROUNDS_S = 3.0


@dataclass(frozen=True)
class Contestant:
    """One configuration.

    Attributes:
        plan: what its processes run; the key's `engine` is the configuration's name, unique in a contest.
        cell: the batch size and mode that it is made ready for.
    """

    plan: ArmPlan
    cell: CellKey

    @property
    def key(self) -> ArmKey:
        """Its place among the arms."""
        return self.plan.key


@dataclass(frozen=True)
class Bout:
    """What one launch of all contestants gave.

    Attributes:
        rounds: a line for each slice; `engine` is the contestant's name.
        records: a line for each contestant, as it was made ready or ended.
        seconds: what the whole launch took.
    """

    rounds: tuple[RoundRecord, ...]
    records: tuple[LaunchRecord, ...]
    seconds: float

    @property
    def failures(self) -> dict[str, str]:
        """Name -> why it takes no further part."""
        return {record.engine: record.reason or record.status for record in self.records if record.status != "ok"}


class Contest:
    """Runs bouts. As a context manager it ends its sentinel on the way out."""

    def __init__(
        self,
        reference: Reference | None,
        seed: int,
        *,
        gpu: bool = False,
        launches: int = 0,
        keep: Callable[[Sequence[RoundRecord]], None] = lambda _: None,
    ) -> None:
        """Take what outputs are compared with.

        Args:
            reference: gives the expected outputs; None where nothing is compared.
            seed: of the orders.
            gpu: whether any contestant computes on one.
            launches: how many there were before; the next one's number is the one after.
            keep: is given each round as soon as it is over.
        """
        self._reference = reference
        self._seed = seed
        self._sentinel = Sentinel(choose_cpus(1))
        self._rounds = RoundRunner(self._sentinel, time.perf_counter(), gpu=gpu)
        self._launches = launches
        self._done = 0
        self._keep = keep

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._sentinel.__exit__(None, None, None)

    def run(
        self, contestants: Sequence[Contestant], max_time_s: float, say: Callable[[str], None]
    ) -> tuple[list[RoundRecord], dict[str, str]]:
        """Run launches for so many seconds, at least one; return every slice, and who failed and why.

        Who fails takes no part in the launches that follow.
        """
        began, seconds = time.perf_counter(), _FIRST_ROUNDS_S
        rounds: list[RoundRecord] = []
        failures: dict[str, str] = {}
        while running := [one for one in contestants if one.key.engine not in failures]:
            one = self.bout(running, seconds=seconds)
            rounds += one.rounds
            failures |= one.failures
            left_s = max_time_s - (time.perf_counter() - began)
            say(f"launch {self._launches}: {len(rounds)} slices so far, {max(left_s, 0):.0f} s left")
            overhead_s = max(one.seconds - seconds, 0.0)
            if left_s < overhead_s + _FIRST_ROUNDS_S:
                break
            # Of what is left, whole launches of about the wanted number.
            seconds = max(_FIRST_ROUNDS_S, max_time_s / _WANTED_LAUNCHES - overhead_s)
            seconds = min(seconds, left_s - overhead_s)
        return rounds, failures

    def bout(self, *stages: Sequence[Contestant], seconds: float) -> Bout:
        """Start every contestant anew; make those of one stage after the other ready, and run rounds of them.

        Args:
            stages: contestants that run in the same rounds; the same processes (the same key) may serve several.
            seconds: of rounds in each stage; never fewer rounds than the minimum.
        """
        self._launches += 1
        began = time.perf_counter()
        plans = {one.key: one.plan for stage in stages for one in stage}
        lines: list[RoundRecord] = []
        with Launch(self._launches) as launch:
            records = launch.start(list(plans.values()))
            for stage in stages:
                lines += self._run_stage(launch, stage, seconds, records)
        return Bout(tuple(lines), tuple(records), time.perf_counter() - began)

    def _run_stage(
        self, launch: Launch, stage: Sequence[Contestant], seconds: float, records: list[LaunchRecord]
    ) -> Iterator[RoundRecord]:
        turns: list[tuple[ArmKey, CellKey]] = []
        for one in stage:
            made = launch.prepare(one.cell, [one.key], self._expected(one), PILOT_SLICE_NS)
            records += made
            turns += [(one.key, one.cell) for record in made if record.status == "ok"]
        began = time.perf_counter()
        for count in itertools.count():
            spent = time.perf_counter() - began
            typical = spent / count if count else 0.0
            alive = launch.running([key for key, _ in turns])
            turns = [turn for turn in turns if turn[0] in alive]
            if not turns or (count >= max(1, min_rounds(typical)) and spent + typical / 2 > seconds):
                return
            order = round_order(len(turns), self._done, self._seed)
            self._done += 1
            # Numbered through all stages, so that only rounds that were the same are paired.
            lines, failures = self._rounds.run(launch, [turns[place] for place in order], self._done)
            records += failures
            self._keep(lines)
            yield from lines

    def _expected(self, one: Contestant) -> ReferenceOutputs:
        if self._reference is None or not one.plan.engine.entry.computes:
            return ReferenceOutputs("", None)
        return ReferenceOutputs(self._reference.label, self._reference.outputs(one.cell.batch_size))

"""One round: every arm of a cell once, one slice each, with what disturbed it meanwhile."""

from __future__ import annotations

import time
from collections.abc import Sequence

import msgspec

from ortbench.results.schema import ArmKey, CellKey, Disturbance, LaunchRecord, RoundRecord
from ortbench.runner import protocol
from ortbench.runner.disturbance import Judgement, Watch, Window
from ortbench.runner.energy import EnergyMeter
from ortbench.runner.launch import Launch
from ortbench.runner.sentinel import Sentinel


class RoundRunner:
    """Runs rounds between two readings of the machine's counters."""

    def __init__(self, sentinel: Sentinel, since: float, *, gpu: bool = False) -> None:
        """Take the instruments.

        Args:
            sentinel: tracks the machine's speed.
            since: `time.perf_counter()` when the study began.
            gpu: whether any arm uses one.
        """
        self._gpu = gpu
        self._watches: dict[tuple[int, ...], Watch] = {}
        self._window = Window()
        self._sentinel = sentinel
        self._since = since
        self._meter = EnergyMeter()

    def run(
        self, launch: Launch, turns: Sequence[tuple[ArmKey, CellKey]], number: int
    ) -> tuple[list[RoundRecord], list[LaunchRecord]]:
        """Run one slice of each arm in the order given.

        Args:
            launch: whose arms run.
            turns: the arms of this round in their order, each with the cell that it was made ready for.
            number: of the round in this launch, from 1.

        Returns:
            A record per slice, and one per arm that failed.
        """
        sentinel_ns = self._sentinel.latest_ns()
        lines: list[RoundRecord] = []
        failures: list[LaunchRecord] = []
        watch = self._watch(launch.cpus([key for key, _ in turns]))
        watch.begin()
        for position, (key, cell) in enumerate(turns):
            started = time.perf_counter() - self._since
            self._meter.begin(on_gpu=launch.on_gpu(key))
            outcome = launch.run_slice(cell, key, number)
            energy_uj = self._meter.end()
            if isinstance(outcome, protocol.Samples):
                line = _line(launch.number, cell, key, (number, position), started, outcome)
                lines.append(msgspec.structs.replace(line, energy_uj=energy_uj))
            else:
                failures.append(outcome)
        seen = watch.end(sum(line.cpu_ns or 0 for line in lines) / 1e9, sum(line.major_faults for line in lines))
        judged = self._judge(launch, watch, seen, lines, failed=bool(failures))
        # The counters' steps may fall so that others seem to have used less than nothing, which only sums need to know.
        quiet = msgspec.structs.replace(seen, foreign_cpu_s=max(0.0, seen.foreign_cpu_s))
        lines = [
            msgspec.structs.replace(
                line,
                disturbance=quiet,
                spoiled=judged.reason,
                spoiled_since_s=judged.since_s,
                sentinel_ns=sentinel_ns,
            )
            for line in lines
        ]
        return lines, failures

    def _judge(
        self, launch: Launch, watch: Watch, seen: Disturbance, lines: Sequence[RoundRecord], *, failed: bool
    ) -> Judgement:
        if failed or not lines:
            # Where an arm died, its CPU time would be taken for somebody else's.
            self._window = Window()
            return Judgement()
        self._window = self._window.joined_by((launch.number, watch.cpus), lines[0].started_s, seen)
        judged = self._window.judged(watch.tick_s)
        if judged.reason or self._window.full:
            self._window = Window()
        return judged

    def _watch(self, cpus: tuple[int, ...]) -> Watch:
        """Return what reads the counters of these CPUs."""
        if cpus not in self._watches:
            self._watches[cpus] = Watch(cpus, gpu=self._gpu)
        return self._watches[cpus]


def _line(  # noqa: PLR0913 - a line says where it belongs
    launch: int, cell: CellKey, key: ArmKey, place: tuple[int, int], started_s: float, samples: protocol.Samples
) -> RoundRecord:
    number, position = place
    return RoundRecord(
        cell=cell.id,
        launch=launch,
        round=number,
        position=position,
        engine=key.engine,
        twin=key.twin,
        started_s=round(started_s, 6),
        samples_ns=samples.samples_ns,
        lead_in_ns=samples.lead_in_ns,
        wall_ns=samples.wall_ns,
        cpu_ns=samples.cpu_ns,
        minor_faults=samples.minor_faults,
        major_faults=samples.major_faults,
        involuntary_switches=samples.involuntary_switches,
        items=samples.items,
        instance_calls=samples.instance_calls,
        loadgen=samples.loadgen,
        calls=samples.calls,
    )

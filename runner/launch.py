"""One launch: every arm of a group of cells in a process of its own, made ready and run slice by slice."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from ortbench.engines.base import LoadRequest
from ortbench.engines.evidence import fallback_reason
from ortbench.engines.registry import ResolvedEngine
from ortbench.errors import ArmInvalid, OrtbenchError
from ortbench.results.schema import ArmKey, CellKey, LaunchRecord, Status
from ortbench.results.summary import arm_label
from ortbench.runner import protocol
from ortbench.runner.cpus import choose_cpus, thread_limit
from ortbench.runner.memory import ArmMemory
from ortbench.runner.pilot import calls_in
from ortbench.runner.process import Worker

LOAD_TIMEOUT_S = 300.0
PREPARE_TIMEOUT_S = 300.0
SLICE_TIMEOUT_S = 10.0
# A call that takes this many times what it should is taken for a hang.
_HANG_FACTOR = 20


@dataclass(frozen=True)
class ArmPlan:
    """What one arm of a group runs."""

    key: ArmKey
    engine: ResolvedEngine
    request: LoadRequest


@dataclass(frozen=True)
class ReferenceOutputs:
    """What an arm's outputs must agree with.

    Attributes:
        engine: that gave them.
        path: their .npz file; None where nothing is compared.
    """

    engine: str
    path: Path | None


@dataclass
class Arm:
    """A running arm; its worker is None once it has failed."""

    plan: ArmPlan
    worker: Worker | None
    loaded: protocol.Loaded | None = None
    calls: int = 1
    call_s_per_item: float = 0.0
    peak_mib: float = 0.0
    per_item_mib: float = 0.0

    @property
    def memory(self) -> ArmMemory:
        """What the process was seen to use."""
        loaded = (self.loaded.memory_mib if self.loaded else None) or 0.0
        return ArmMemory(loaded, max(self.peak_mib, loaded), self.per_item_mib)

    @property
    def running_worker(self) -> Worker:
        """The worker of an arm that has not failed."""
        assert self.worker is not None, "a failed arm takes no further part"
        return self.worker

    def expect(self, prepared: protocol.Prepared, batch_size: int, slice_ns: int) -> None:
        """Take from the warm-up how long a call is, and so how many fill a slice."""
        call_ns = statistics.median(prepared.warm_up_ns[-3:] or (prepared.first_call_ns,))
        self.calls = calls_in(slice_ns, call_ns)
        self.call_s_per_item = call_ns / 1e9 / batch_size
        self.peak_mib = prepared.memory_mib or 0.0
        self.per_item_mib = max(0.0, self.peak_mib - self.memory.loaded_mib) / batch_size

    def fail(self) -> None:
        """End the worker; the arm takes no further part in this launch."""
        if self.worker is not None:
            self.worker.kill()
            self.worker = None


class Launch:
    """The arms of one group, started together, parked, and woken one at a time."""

    def __init__(self, number: int, threads: int) -> None:
        """Begin with no arm.

        Args:
            number: of the launch, from 1.
            threads: of every arm; they share the same CPUs, one arm at a time.
        """
        self.number = number
        self.lost_s = 0.0
        self._threads = threads
        self._arms: list[Arm] = []

    def clock(self) -> float:
        """Return a time in s that stood still while an arm that failed was waited for."""
        return time.perf_counter() - self.lost_s

    def start(self, plans: Sequence[ArmPlan]) -> list[LaunchRecord]:
        """Start and load arms, as many at a time as there are CPUs; return a record for each that failed.

        Arms that were started before are passed over. The records' `cell` is empty: a failure to load is one in
        every cell of the group.
        """
        cpus = choose_cpus(self._threads)
        at_once = thread_limit()
        started = {arm.plan.key for arm in self._arms}
        missing = [plan for plan in plans if plan.key not in started]
        failures: list[LaunchRecord] = []
        for first in range(0, len(missing), at_once):
            batch = [Arm(plan, None) for plan in missing[first : first + at_once]]
            self._arms += batch
            for arm in batch:
                with self._recording_failure(arm, "", failures):
                    arm.worker = Worker(arm_label(arm.plan.key), cpus, self._threads)
                    load = protocol.Load(engine=arm.plan.engine.entry.name, request=arm.plan.request)
                    arm.running_worker.send(load)
            for arm in batch:
                if arm.worker is not None:
                    with self._recording_failure(arm, "", failures):
                        arm.loaded = arm.worker.receive(protocol.Loaded, LOAD_TIMEOUT_S)
                        arm.worker.park()
        return failures

    def prepare(
        self, cell: CellKey, keys: Sequence[ArmKey], reference: ReferenceOutputs, slice_ns: int
    ) -> list[LaunchRecord]:
        """Make the cell's arms ready one after the other; return a record for each.

        Args:
            cell: the cell.
            keys: the arms that are still in the running for this cell.
            reference: what their outputs must agree with.
            slice_ns: how long a slice shall be.
        """
        records: list[LaunchRecord] = []
        for arm in self._alive(keys):
            with self._recording_failure(arm, cell.id, records):
                records.append(self._prepare_arm(arm, cell, reference, slice_ns))
        return records

    def run_slice(self, cell: CellKey, key: ArmKey) -> protocol.Samples | LaunchRecord:
        """Run one slice of one arm; return its samples, or the record of its end."""
        [arm] = self._alive([key])
        failures: list[LaunchRecord] = []
        samples = None
        with self._recording_failure(arm, cell.id, failures):
            samples = _run_slice(arm, cell.batch_size)
        return samples or failures[0]

    def memory(self, keys: Sequence[ArmKey]) -> list[ArmMemory]:
        """Return what each running arm's process was seen to use."""
        return [arm.memory for arm in self._alive(keys)]

    def running(self, keys: Sequence[ArmKey]) -> list[ArmKey]:
        """Return those of `keys` whose worker is alive."""
        return [arm.plan.key for arm in self._alive(keys)]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def end(self) -> None:
        """End every arm's process."""
        for arm in self._arms:
            arm.fail()

    def _alive(self, keys: Sequence[ArmKey]) -> list[Arm]:
        """Return the arms that still run, in the order of `keys`."""
        by_key = {arm.plan.key: arm for arm in self._arms if arm.worker is not None}
        return [by_key[key] for key in keys if key in by_key]

    def _prepare_arm(self, arm: Arm, cell: CellKey, reference: ReferenceOutputs, slice_ns: int) -> LaunchRecord:
        request = protocol.Prepare(
            batch_size=cell.batch_size,
            reference_path=str(reference.path) if reference.path else None,
            reference=reference.engine,
        )
        timeout_s = PREPARE_TIMEOUT_S + _HANG_FACTOR * arm.call_s_per_item * cell.batch_size
        worker = arm.running_worker
        worker.wake()
        prepared = worker.ask(request, protocol.Prepared, timeout_s)
        worker.park()
        arm.expect(prepared, cell.batch_size, slice_ns)
        fallback = fallback_reason(prepared.evidence)
        wrong = f"parity failed: {prepared.parity.reason}" if prepared.parity.ok is False else None
        return self._record(arm, cell.id, "invalid" if fallback or wrong else "ok", fallback or wrong, prepared)

    @contextlib.contextmanager
    def _recording_failure(self, arm: Arm, cell_id: str, records: list[LaunchRecord]) -> Iterator[None]:
        """End the arm at an error, and put it on record instead of letting it stop the study."""
        began = time.perf_counter()
        try:
            yield
        except OrtbenchError as error:
            # A hang costs this arm, not the others' time.
            self.lost_s += time.perf_counter() - began
            arm.fail()
            status: Status = "invalid" if isinstance(error, ArmInvalid) else "failed"
            record = self._record(arm, cell_id, status, str(error), None)
            records.append(msgspec.structs.replace(record, stderr=getattr(error, "stderr", "")))

    def _record(
        self, arm: Arm, cell_id: str, status: Status, reason: str | None, prepared: protocol.Prepared | None
    ) -> LaunchRecord:
        record = LaunchRecord(
            cell=cell_id,
            launch=self.number,
            engine=arm.plan.key.engine,
            twin=arm.plan.key.twin,
            status=status,
            reason=reason,
            import_s=arm.loaded.import_s if arm.loaded else None,
            load_s=arm.loaded.load_s if arm.loaded else None,
        )
        if prepared is None:
            return record
        evidence = prepared.evidence
        return msgspec.structs.replace(
            record,
            first_call_ns=prepared.first_call_ns,
            warm_up_ns=prepared.warm_up_ns,
            steady=prepared.steady,
            threads=evidence.threads,
            affinity=prepared.affinity,
            os_threads=prepared.os_threads,
            allocator=prepared.allocator,
            memory_mib=prepared.memory_mib,
            versions=evidence.versions,
            boundary=evidence.boundary,
            parity=msgspec.to_builtins(prepared.parity),
            placement=msgspec.to_builtins(evidence.placement),
        )


def _run_slice(arm: Arm, batch_size: int) -> protocol.Samples:
    expected_s = arm.calls * arm.call_s_per_item * batch_size
    worker = arm.running_worker
    worker.wake()
    request = protocol.Slice(calls=arm.calls)
    samples = worker.ask(request, protocol.Samples, SLICE_TIMEOUT_S + _HANG_FACTOR * expected_s)
    worker.park()
    return samples

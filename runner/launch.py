"""One launch: every arm of a group of cells in a process of its own, made ready and run slice by slice."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Self

import msgspec

from ortbench.engines.evidence import fallback_reason, lane_contradiction
from ortbench.errors import ArmError, ArmInvalid, OrtbenchError
from ortbench.results.fairness import refusal
from ortbench.results.schema import ArmKey, CellKey, LaunchRecord, SlicePlan, Status
from ortbench.results.summary import arm_label
from ortbench.runner import protocol
from ortbench.runner.allocators import wrong_allocator
from ortbench.runner.arm import Arm, ArmPlan, ReferenceOutputs
from ortbench.runner.cpus import thread_limit
from ortbench.runner.environments import interpreter_for
from ortbench.runner.load import Load
from ortbench.runner.load_slice import run_under_load, warm_up_load
from ortbench.runner.memory import ArmMemory
from ortbench.runner.merging import joined, merge
from ortbench.runner.sharing import part_requests, share_items
from ortbench.runner.slices import Known, stretch_calls
from ortbench.runner.team import Team, first_team_to_answer
from ortbench.runner.topology import Place

LOAD_TIMEOUT_S = 300.0
PREPARE_TIMEOUT_S = 300.0
SLICE_TIMEOUT_S = 30.0
# Where a target's energy is the GPU's.
_GPU_TARGETS = ("cuda", "tensorrt")
PROFILE_TIMEOUT_S = 900.0
# A call that takes this many times what it should is taken for a hang.
_HANG_FACTOR = 20


class Launch:
    """The arms of one group, started together, parked, and woken one at a time."""

    def __init__(self, number: int, load: Load | None = None) -> None:
        """Begin with no arm.

        Args:
            number: of the launch, from 1.
            load: by what LoadGen makes requests arrive; None where calls follow each other.
        """
        self._load = load
        self.number = number
        self.lost_s = 0.0
        self.parent_cpu_s = 0.0  # of this process, while slices run
        self._arms: list[Arm] = []

    def clock(self) -> float:
        """Return a time in s that stood still while an arm that failed was waited for."""
        return time.perf_counter() - self.lost_s

    def start(self, plans: Sequence[ArmPlan]) -> list[LaunchRecord]:
        """Start and load arms, as many at a time as there are CPUs; return a record for each that failed.

        Arms that were started before are passed over. The records' `cell` is empty: a failure to load is one in
        every cell of the group.
        """
        started = {arm.plan.key for arm in self._arms}
        waiting = [Arm(plan, None) for plan in plans if plan.key not in started]
        self._arms += waiting
        # The longest first, so that the last to load is a short one and no CPU stands idle beside it.
        waiting.sort(key=lambda arm: -arm.plan.load_s)
        failures: list[LaunchRecord] = []
        loading: list[Arm] = []
        while waiting or loading:
            while waiting and (not loading or _processes([*loading, waiting[0]]) <= thread_limit()):
                arm = waiting.pop(0)
                with self._recording_failure(arm, "", failures):
                    self._begin_loading(arm)
                    loading.append(arm)
            if loading:
                self._finish_loading(loading, failures)
        return failures

    def load_seconds(self) -> dict[ArmKey, float]:
        """Return how long each arm that loaded took to import and load."""
        return {arm.plan.key: arm.loaded.import_s + arm.loaded.load_s for arm in self._arms if arm.loaded}

    def _begin_loading(self, arm: Arm) -> None:
        if arm.plan.obstacle:
            raise ArmError(arm.plan.obstacle)
        interpreter = interpreter_for(arm.plan.engine)
        arm.team = Team(arm_label(arm.plan.key), arm.plan.instances, interpreter, arm.plan.allocator)
        arm.team.send_load(arm.plan.engine.entry.name, arm.plan.request)

    def _finish_loading(self, loading: list[Arm], failures: list[LaunchRecord]) -> None:
        """Wait for the first of them, and take it off the list."""
        deadline = time.monotonic() + LOAD_TIMEOUT_S
        team = first_team_to_answer([arm.running_team for arm in loading], LOAD_TIMEOUT_S)
        [arm] = [arm for arm in loading if arm.team is team]
        loading.remove(arm)
        with self._recording_failure(arm, "", failures):
            arm.has_loaded(team.receive(protocol.Loaded, deadline - time.monotonic()))
            team.park()

    def prepare(
        self, cell: CellKey, keys: Sequence[ArmKey], reference: ReferenceOutputs, known: Mapping[ArmKey, Known]
    ) -> list[LaunchRecord]:
        """Make the cell's arms ready one after the other; return a record for each.

        Args:
            cell: the cell.
            keys: the arms that are still in the running for this cell, in the order in which it is done.
            reference: what their outputs must agree with.
            known: what an earlier launch of the cell found out about each.
        """
        records: list[LaunchRecord] = []
        for arm in self._alive(keys):
            with self._recording_failure(arm, cell.id, records):
                records.append(self._prepare_arm(arm, cell, reference, known.get(arm.plan.key, Known())))
        return records

    def try_call(self, cell: CellKey, key: ArmKey, again_s: float = 0.0) -> float | LaunchRecord:
        """Bind one arm's batch and time a call; return its seconds, or the record of the arm's end.

        Args:
            cell: the cell.
            key: an arm that runs.
            again_s: a first call no longer than that, which may have compiled, is followed by a second.
        """
        [arm] = self._alive([key])
        failures: list[LaunchRecord] = []
        seconds = 0.0
        with self._recording_failure(arm, cell.id, failures):
            team = arm.running_team
            whole = protocol.Prepare(batch_size=cell.batch_size, reference_path=None, reference="")
            shares = part_requests(whole, cell.mode, len(team.workers), arm.plan.items)
            requests = [protocol.Try(batch_size=cell.batch_size, again_s=again_s, part=own.part) for own in shares]
            timeout_s = PREPARE_TIMEOUT_S + _HANG_FACTOR * arm.call_s_per_item * cell.batch_size
            team.wake()
            answers = team.ask(requests, protocol.Tried, timeout_s)
            team.park()
            seconds = max(answer.call_ns for answer in answers) / 1e9
        return failures[0] if failures else seconds

    def run_slice(self, cell: CellKey, key: ArmKey, number: int) -> protocol.Samples | LaunchRecord:
        """Run one slice of one arm in the round of that number; return its samples, or the record of its end."""
        [arm] = self._alive([key])
        failures: list[LaunchRecord] = []
        samples = None
        with self._recording_failure(arm, cell.id, failures):
            cpu_began = time.process_time()
            if self._load is None:
                samples = _run_slice(arm, cell)
            else:
                samples = run_under_load(arm, cell, self._load, self.number, number, SLICE_TIMEOUT_S)
            self.parent_cpu_s += time.process_time() - cpu_began
        return samples or failures[0]

    def run_stretch(self, cell: CellKey, key: ArmKey, stretch_ns: float) -> list[tuple[int, ...]] | LaunchRecord:
        """Run an arm for about so long without a pause, after one.

        Returns:
            Its calls in ns, a row for each stream; no row where too few would fit; the record of its end if it failed.
        """
        [arm] = self._alive([key])
        calls = stretch_calls(stretch_ns, arm.call_s_per_item * cell.batch_size * 1e9)
        failures: list[LaunchRecord] = []
        rows: list[tuple[int, ...]] = []
        with self._recording_failure(arm, cell.id, failures):
            rows = _run_stretch(arm, cell, calls) if calls else []
        return failures[0] if failures else rows

    def settle_slices(self, key: ArmKey, slices: SlicePlan) -> None:
        """Make up an arm's slices in another way from here on."""
        for arm in self._alive([key]):
            arm.slices = slices

    def plan(self, key: ArmKey) -> ArmPlan:
        """Return what an arm that was started runs."""
        return next(arm.plan for arm in self._arms if arm.plan.key == key)

    def profile(self, key: ArmKey, calls: int) -> protocol.Profiled:
        """Run the arm's batch under its library's profiler; it must have been made ready.

        Raises:
            ArmError: it failed, was invalid before, or cannot be profiled.
        """
        [arm] = self._alive([key])
        team = arm.running_team
        team.wake()
        # One instance computes what all do; the others only wait.
        [profiled, *_] = team.ask(
            [protocol.Profile(calls=calls)] * len(team.workers), protocol.Profiled, PROFILE_TIMEOUT_S
        )
        return profiled

    def memory(self, keys: Sequence[ArmKey]) -> list[ArmMemory]:
        """Return what each running arm's process was seen to use."""
        return [arm.memory for arm in self._alive(keys)]

    def on_gpu(self, key: ArmKey) -> bool:
        """Say whether an arm computes on a GPU, by its target."""
        return any(arm.plan.engine.target in _GPU_TARGETS for arm in self._alive([key]))

    def cpus(self, keys: Sequence[ArmKey]) -> tuple[int, ...]:
        """Return every CPU that one of the arms uses."""
        return tuple(sorted({cpu for arm in self._alive(keys) for cpu in arm.plan.cpus}))

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
        by_key = {arm.plan.key: arm for arm in self._arms if arm.team is not None}
        return [by_key[key] for key in keys if key in by_key]

    def _prepare_arm(self, arm: Arm, cell: CellKey, reference: ReferenceOutputs, known: Known) -> LaunchRecord:
        request = protocol.Prepare(
            batch_size=cell.batch_size,
            reference_path=str(reference.path) if reference.path else None,
            reference=reference.engine,
            batches=tuple(map(str, reference.batches)),
            wanted_inputs=reference.wanted_inputs,
            limit_s=reference.limit_s,
            warm_up=known.warm_up,
        )
        timeout_s = PREPARE_TIMEOUT_S + reference.limit_s + _HANG_FACTOR * arm.call_s_per_item * cell.batch_size
        team = arm.running_team
        team.wake()
        answers = team.ask(
            part_requests(request, cell.mode, len(team.workers), arm.plan.items), protocol.Prepared, timeout_s
        )
        team.park()
        prepared = joined(answers)
        arm.expect(prepared, cell.batch_size, known.slices)
        record = arm.record(self.number, cell.id, "ok", None, prepared)
        reason = next(
            filter(None, (self._objection(arm, *one) for one in zip(answers, arm.plan.instances, strict=True))), None
        )
        if self._load is not None and reason is None:
            warm_up_load(arm, cell, timeout_s)
        return msgspec.structs.replace(record, status="invalid", reason=reason) if reason else record

    def _objection(self, arm: Arm, prepared: protocol.Prepared, place: Place) -> str | None:
        """Say why an instance is not what it should be; None where it is."""
        request = arm.plan.request
        # Of a file that is in the lane as its maker made it nothing is asked but that it runs.
        lane = "fp32" if request.precision in request.source.facts.lanes else request.precision
        fallback = fallback_reason(prepared.evidence, allowed=arm.plan.allow_fallback) or lane_contradiction(
            lane, prepared.evidence
        )
        wrong = f"parity failed: {prepared.parity.reason}" if prepared.parity.ok is False else None
        unfair = refusal(arm.record(self.number, "", "ok", None, prepared), place.threads, arm.plan.artifact_sha256)
        return (
            fallback
            or wrong
            or unfair
            or wrong_allocator(arm.plan.allocator.label, prepared.allocator, prepared.tunables)
        )

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
            record = arm.record(self.number, cell_id, status, str(error), None)
            records.append(msgspec.structs.replace(record, stderr=getattr(error, "stderr", "")))


def _processes(arms: Sequence[Arm]) -> int:
    return sum(len(arm.plan.instances) for arm in arms)


def _run_slice(arm: Arm, cell: CellKey) -> protocol.Samples:
    answers = _ask_for_calls(arm, cell, arm.slices.lead_in, arm.slices.calls)
    items = share_items(cell.mode, cell.batch_size, len(answers), arm.plan.items)
    return merge(cell.mode, items, answers)


def _run_stretch(arm: Arm, cell: CellKey, calls: int) -> list[tuple[int, ...]]:
    answers = _ask_for_calls(arm, cell, 0, calls)
    if cell.mode == "stream":
        return [answer.samples_ns for answer in answers]
    items = share_items(cell.mode, cell.batch_size, len(answers), arm.plan.items)
    return [merge(cell.mode, items, answers).samples_ns]


def _ask_for_calls(arm: Arm, cell: CellKey, lead_in: int, calls: int) -> list[protocol.Samples]:
    """Run so many calls of each instance, parked before and after."""
    expected_s = (lead_in + calls) * arm.call_s_per_item * cell.batch_size
    team = arm.running_team
    team.wake()
    requests = [protocol.Slice(calls=calls, lead_in=lead_in, mode=cell.mode)] * len(team.workers)
    answers = team.ask(requests, protocol.Samples, SLICE_TIMEOUT_S + _HANG_FACTOR * expected_s)
    team.park()
    return answers

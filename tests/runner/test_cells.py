"""What becomes of a cell in a launch: spoiled rounds are kept and repeated, slices chosen, memory remembered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ortbench.engines.base import LoadRequest
from ortbench.engines.registry import ResolvedEngine, resolve_engine
from ortbench.engines.spec import parse_engine
from ortbench.export.artifact import Artifact
from ortbench.models.catalog import find_model
from ortbench.models.spec import ModelSource
from ortbench.results.journal import read_launches, read_rounds
from ortbench.results.schema import ArmKey, Disturbance, LaunchRecord, RoundRecord, SlicePlan
from ortbench.runner import protocol
from ortbench.runner import rounds as rounds_module
from ortbench.runner.arm import ArmPlan, ReferenceOutputs
from ortbench.runner.cell_costs import CellCosts
from ortbench.runner.cell_states import cell_state
from ortbench.runner.cells import CellRunner
from ortbench.runner.costs import CellCost
from ortbench.runner.expectation import scatter_of
from ortbench.runner.launch import Launch
from ortbench.runner.memory import ArmMemory
from ortbench.runner.record import StudyRecord
from ortbench.runner.rounds import RoundRunner
from ortbench.runner.slices import Known
from tests.results.factory import MS, make_launches, make_run

[CELL] = make_run().cells
BUSY = Disturbance(wall_s=1.0, foreign_cpu_s=1.0)
SOURCE = ModelSource(name="m", inputs=())
QUIET = Disturbance(wall_s=1.0)


class Clock:
    """A launch whose slices take a second by its own clock, and whose processes use no memory."""

    number = 1

    def __init__(self) -> None:
        self.now = 0.0
        self.per_item_mib = 0.0
        self.stretches = self.rounds_0 = 0

    def clock(self) -> float:
        return self.now

    def running(self, keys: list[ArmKey]) -> list[ArmKey]:
        return keys

    def cpus(self, _: list[ArmKey]) -> tuple[int, ...]:
        return (0,)

    def on_gpu(self, _: ArmKey) -> bool:
        return False

    def memory(self, keys: list[ArmKey]) -> list[ArmMemory]:
        return [ArmMemory(100.0, 100.0, self.per_item_mib) for _ in keys]

    def run_stretch(self, *_: object) -> list[tuple[int, ...]]:
        self.stretches += 1
        return [(500 * MS,) * 3]

    def run_slice(self, _cell: object, _key: object, number: int) -> protocol.Samples:
        self.now += 0.5
        self.rounds_0 += number == 0
        return protocol.Samples(
            samples_ns=(500_000_000,),
            wall_ns=500_000_000,
            cpu_ns=0,
            minor_faults=0,
            major_faults=0,
            involuntary_switches=0,
        )


class Scripted:
    """A watch that finds what the test says of one round after the other, and nothing after that."""

    found: list[Disturbance]
    cpus, tick_s = (0,), 0.01

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def begin(self) -> None:
        pass

    def end(self, *_: object) -> Disturbance:
        return self.found.pop(0) if self.found else QUIET


@pytest.fixture
def runner(monkeypatch: pytest.MonkeyPatch) -> CellRunner:
    monkeypatch.setattr(rounds_module, "Watch", Scripted)
    plan = SimpleNamespace(settings=SimpleNamespace(seed=0, baseline="torch"), cells=(CELL,), source=SOURCE)
    observer = SimpleNamespace(progress=lambda _: None, say=lambda _: None)
    study: Any = SimpleNamespace(
        record=StudyRecord("torch"), plan=plan, observer=observer, tell=lambda _: None, enter=lambda _: None
    )
    study.reference, study.run = None, make_run()
    sentinel: Any = SimpleNamespace(latest_ns=lambda: None)
    return CellRunner(study, RoundRunner(sentinel, 0.0))


def rounds_run(runner: CellRunner, folder: Path, found: list[Disturbance]) -> list[str | None]:
    """Run rounds for ten seconds of a second each; return why each on disk was spoiled, in their order."""
    Scripted.found = list(found)
    launch: Any = Clock()
    with runner._study.record.writing(folder):
        runner._run_rounds(launch, CELL, 10.0)
    lines: dict[int, RoundRecord] = {line.round: line for line in read_rounds(folder)}
    return [lines[number].spoiled for number in sorted(lines)]


def test_a_spoiled_round_is_kept_marked_and_repeated(runner: CellRunner, tmp_path: Path) -> None:
    spoiled = rounds_run(runner, tmp_path, [QUIET, BUSY, BUSY])
    reason = "other programs used 1.00 s of CPU time"
    assert spoiled == [None, reason, reason, *[None] * 9]


def test_undisturbed_rounds_are_not_repeated(runner: CellRunner, tmp_path: Path) -> None:
    assert rounds_run(runner, tmp_path, []) == [None] * 10


def test_repeating_takes_at_most_half_of_the_time_again(runner: CellRunner, tmp_path: Path) -> None:
    assert len(rounds_run(runner, tmp_path, [BUSY] * 100)) == 15


def test_a_fresh_process_is_given_what_an_item_took_in_an_earlier_launch(
    runner: CellRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    launch: Any = Clock()
    launch.per_item_mib = 1e9
    monkeypatch.setattr(runner._preparing._checks, "prepare", lambda *_: [])
    monkeypatch.setattr(runner._study.record, "keep_launches", lambda _: [])
    assert runner._obstacle(Clock(), CELL, 1e9) is None  # type: ignore[arg-type]  # a launch of this file
    runner._prepare(launch, CELL, 10.0)
    reason = runner._obstacle(Clock(), CELL, 1e9)  # type: ignore[arg-type]  # a launch of this file
    assert reason is not None
    assert reason.startswith("it needs about ")


def test_the_first_launch_settles_the_slices_and_the_warm_up_of_all_that_follow(
    runner: CellRunner, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    told: list[Mapping[ArmKey, Known]] = []

    def prepare(_launch: object, _cell: object, known: Mapping[ArmKey, Known]) -> list[LaunchRecord]:
        told.append(known)
        return make_launches(["torch", "ort"], 1, warm_up_ns=(500 * MS,) * 6)

    monkeypatch.setattr(runner._preparing._checks, "prepare", prepare)
    monkeypatch.setattr(runner, "_obstacle", lambda *_: None)
    Scripted.found = []
    launches = [Clock(), Clock(), Clock()]
    with runner._study.record.writing(tmp_path):
        for launch in launches:
            runner.measure(launch, CELL, 3.0, 100.0)  # type: ignore[arg-type]  # a launch of this file
    plans = {ArmKey(plan.engine): plan for plan in runner._study.run.slices}
    # Calls of half a second: one in a slice, and none leads in.
    assert [(plan.lead_in, plan.calls, plan.call_ns) for plan in plans.values()] == [(0, 1, 500 * MS)] * 2
    # What a round does not warm up, an arm does by itself.
    assert told == [{}, *[{key: Known(plan, 5) for key, plan in plans.items()}] * 2]
    # Stretches in the first launch alone; a round that does not count in each later one.
    assert [(launch.stretches, launch.rounds_0) for launch in launches] == [(10, 0), (0, 2), (0, 2)]
    kept = read_launches(tmp_path)
    assert [len(record.warm_up_ns) for record in kept] == [6, 6, 7, 7, 7, 7]
    assert {record.stretches_ns for record in kept[:2]} == {((500 * MS,) * 3,) * 5}
    assert {line.round for line in read_rounds(tmp_path)} == {1, 2, 3}


@pytest.mark.parametrize(("lead_in", "calls"), [(20, 51), (0, 1)])
def test_a_slice_is_made_up_as_it_was_settled(lead_in: int, calls: int) -> None:
    resolved = resolve_engine(parse_engine("null"))
    request = LoadRequest(source=SOURCE, artifact=None, target="cpu", threads=1, options=resolved.options)
    key, known = ArmKey("null"), Known(SlicePlan(lead_in=lead_in, calls=calls))
    with Launch(1) as launch:
        assert launch.start([ArmPlan(key, resolved, request)]) == []
        launch.prepare(CELL.key, [key], ReferenceOutputs("torch", None), {key: known})
        samples = launch.run_slice(CELL.key, key, 1)
    assert isinstance(samples, protocol.Samples)
    assert (len(samples.lead_in_ns), len(samples.samples_ns)) == (lead_in, calls)


def request_for(resolved: ResolvedEngine, artifact: Artifact) -> LoadRequest:
    source = find_model("tiny").source()
    return LoadRequest(source=source, artifact=str(artifact.path), target="cpu", threads=1, options=resolved.options)


def test_a_call_is_tried_without_anything_else(tiny_artifact: Artifact) -> None:
    resolved = resolve_engine(parse_engine("scripted[latency=20ms]"))
    request = request_for(resolved, tiny_artifact)
    key = ArmKey("scripted[latency=20ms]")
    with Launch(1) as launch:
        assert launch.start([ArmPlan(key, resolved, request)]) == []
        seconds = launch.try_call(CELL.key, key, again_s=1.0)
        assert isinstance(seconds, float)
        assert seconds >= 0.02
        # The process is parked again, and can be made ready as if nothing had been.
        [record] = launch.prepare(CELL.key, [key], ReferenceOutputs("torch", None), {})
        assert record.status == "ok"


def test_an_arm_that_ends_in_the_call_that_is_tried_is_on_record(tiny_artifact: Artifact) -> None:
    resolved = resolve_engine(parse_engine("scripted[crash_at=1]"))
    request = request_for(resolved, tiny_artifact)
    key = ArmKey("scripted[crash_at=1]")
    with Launch(1) as launch:
        assert launch.start([ArmPlan(key, resolved, request)]) == []
        record = launch.try_call(CELL.key, key)
    assert isinstance(record, LaunchRecord)
    assert (record.status, record.cell) == ("failed", CELL.key.id)


def test_a_cell_is_begun_and_one_call_of_it_measured_before_it_is_given_up(runner: CellRunner) -> None:
    """By the ratio of sizes it would never fit; the call that is measured decides."""
    large = make_run(batch_sizes=(64,)).cells[0]
    runner._costs = CellCosts([CELL, large])
    lines = [
        RoundRecord(
            cell=CELL.key.id, launch=1, round=1, position=0, engine=arm.engine, samples_ns=(10**7,), started_s=0.0
        )
        for arm in CELL.arms
    ]
    runner._costs.keep(CELL, 0.5, 0.4, lines)
    launch: Any = Clock()
    tried: list[object] = []

    def call_of(seconds: float) -> Callable[..., float]:
        def try_call(*asked: object) -> float:
            tried.append(asked)
            return seconds

        return try_call

    launch.try_call = call_of(2.0)
    assert runner.unaffordable(large, 5.0) is not None
    reason = runner._no_time(launch, large, 5.0)
    assert reason is not None
    assert "one call of torch took 2.0 s here" in reason
    assert tried == [(large.key, large.arms[0], 1.25)]
    # Now a call is known to fit or not, and a smaller one that does begins.
    launch.try_call = call_of(0.02)
    assert runner._no_time(launch, large, 5.0) is None


def test_a_study_plans_a_cell_by_the_arm_that_scatters_most() -> None:
    steady, noisy = [[0.0, 0.001] * 20] * 3, [[0.1, -0.1] * 20] * 3
    record: Any = SimpleNamespace(
        ratios=lambda _: {ArmKey("a"): steady, ArmKey("b"): noisy}, launches_of=lambda _: 3, excess=lambda *_: 2.0
    )
    state = cell_state(record, CELL, CellCost(4.0, 0.1), 0.02)
    assert state.scatter == scatter_of(noisy)
    assert state.rounds == (40, 40, 40)


def test_past_the_end_of_the_time_no_round_begins_but_the_first(runner: CellRunner, tmp_path: Path) -> None:
    Scripted.found = []
    with runner._study.record.writing(tmp_path):
        for end_s, rounds in ((-1.0, 1), (1.5, 2), (100.0, 10)):
            launch: Any = Clock()
            assert runner._run_rounds(launch, CELL, 10.0, end_s)[1] == rounds


@pytest.mark.parametrize(("reserved_s", "rounds"), [(0.0, 5), (3.5, 2)])
def test_a_late_launch_leaves_the_cells_that_follow_their_time(
    runner: CellRunner, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, reserved_s: float, rounds: int
) -> None:
    monkeypatch.setattr(runner, "_prepare", lambda *_: [])
    monkeypatch.setattr(runner, "_obstacle", lambda *_: None)
    Scripted.found = []
    launch: Any = Clock()
    with runner._study.record.writing(tmp_path):
        runner.measure(launch, CELL, 10.0, 4.5, reserved_s)
    assert len({line.round for line in read_rounds(tmp_path)}) == rounds

"""`ortbench tune`: from what was typed to the best configuration and its record."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from ortbench.api import plan_comparison
from ortbench.comparison import CompareRequest, PlannedComparison
from ortbench.errors import UsageError, expected_one_of
from ortbench.models.precision import parse_lanes
from ortbench.results.folder import RUN_FILE, TUNING_FILE, holding, write_json, writing_to
from ortbench.results.journal import Journal
from ortbench.results.profiles import OBJECTIVES, Objective
from ortbench.results.race import Setting
from ortbench.results.racing import Race
from ortbench.results.schema import PlannedCell, Run, RunState, Status
from ortbench.results.tuning import Bounds, Tuning
from ortbench.run_record import new_run
from ortbench.runner.input_words import input_lines
from ortbench.runner.interruption import ignore_interruptions
from ortbench.runner.outcome import with_artifacts
from ortbench.runner.planning import StudyPlan
from ortbench.runner.track import ContestTrack
from ortbench.runner.tuner import Tuner
from ortbench.safe_names import safe_name
from ortbench.units import parse_counts, parse_duration, parse_memory
from ortbench.verifying import contest


@dataclass(frozen=True, kw_only=True)
class TuneRequest:
    """The options of `ortbench tune` as they are typed.

    Attributes:
        study: those that `ortbench compare` has, too.
        objective, max_latency, max_memory: what is wanted, and within what bounds.
    """

    study: CompareRequest
    objective: str = "throughput"
    max_latency: str | None = None
    max_memory: str | None = None


@dataclass(frozen=True)
class PlannedTuning:
    """A race that was found possible.

    Attributes:
        comparison: its grid, as a study of it would have it.
        settings: every configuration of the race.
    """

    comparison: PlannedComparison
    settings: tuple[Setting, ...]
    objective: Objective
    bounds: Bounds

    @property
    def folder(self) -> Path:
        """Where the record goes."""
        return self.comparison.folder


@dataclass(frozen=True)
class Tuned:
    """A race that was run, or interrupted."""

    folder: Path
    tuning: Tuning


def plan_tuning(request: TuneRequest, say: Callable[[str], None], *, make_environments: bool = True) -> PlannedTuning:
    """Check everything that was asked for, down to whether each engine can run here; measure nothing.

    Args:
        request: what was asked for.
        say: is told of each environment that is made for an engine.
        make_environments: make those that are missing.

    Raises:
        UsageError: something is wrong; the message says what, what would be right, and what to do next.
    """
    if request.objective not in OBJECTIVES:
        raise UsageError(expected_one_of("--objective", OBJECTIVES, request.objective))
    objective: Objective = "latency" if request.objective == "latency" else "throughput"
    bounds = Bounds(
        max_latency_ms=parse_duration(request.max_latency, "--max-latency") * 1000 if request.max_latency else None,
        max_memory_mib=parse_memory(request.max_memory, "--max-memory") if request.max_memory else None,
    )
    study = request.study
    if len(lanes := parse_lanes(study.precision)) > 1:
        raise UsageError(
            f"Expected one --precision, but got {', '.join(lanes)}: the fastest lane is not the same model. Tune each."
        )
    if objective == "latency" and study.batch_sizes and len(parse_counts(study.batch_sizes, "--batch-sizes")) > 1:
        raise UsageError(
            f"Expected one --batch-sizes with --objective latency, but got {study.batch_sizes}: the smallest batch is "
            "always the fastest. Give the one that is needed, or leave the option out for the smallest."
        )
    scaling = study.threads is None and study.instances is None
    planned = plan_comparison(replace(study, scaling=scaling), say, make_environments=make_environments)
    cells = _cells(planned.plan, objective)
    settings = _settings(planned.plan, cells)
    planned = replace(planned, plan=replace(planned.plan, cells=cells), folder=_folder(planned, study))
    return PlannedTuning(planned, settings, objective, bounds)


def _cells(plan: StudyPlan, objective: Objective) -> tuple[PlannedCell, ...]:
    """Return the cells of the race: each instance has its own batches, or for latency they divide one; no twins."""
    mode = "split" if objective == "latency" else "stream"
    smallest = min(cell.key.batch_size for cell in plan.cells)
    return tuple(
        msgspec.structs.replace(cell, arms=tuple(arm for arm in cell.arms if not arm.twin))
        for cell in plan.cells
        if cell.key.mode in ("single", mode) and (objective == "throughput" or cell.key.batch_size == smallest)
    )


def _settings(plan: StudyPlan, cells: Sequence[PlannedCell]) -> tuple[Setting, ...]:
    return tuple(
        Setting(
            engine=engine.label,
            allocator=cell.key.allocator,
            threads=cell.key.threads,
            instances=cell.key.instances,
            mode=cell.key.mode,
            batch_size=cell.key.batch_size,
        )
        for engine in plan.engines
        for cell in cells
    )


def _folder(planned: PlannedComparison, study: CompareRequest) -> Path:
    if study.output is not None:
        return planned.folder
    stamp = dt.datetime.now().astimezone().strftime("%Y%m%d-%H%M%S")
    return Path("ortbench-results") / f"{safe_name(planned.plan.source.name)}-tune-{stamp}"


def tuning_lines(planned: PlannedTuning) -> list[str]:
    """Say what will be raced."""
    settings, plan = planned.settings, planned.comparison.plan
    families = len({one.family for one in settings})
    bounds = [
        *([f"latency at most {planned.bounds.max_latency_ms:g} ms"] if planned.bounds.max_latency_ms else []),
        *([f"memory at most {planned.bounds.max_memory_mib:g} MiB"] if planned.bounds.max_memory_mib else []),
    ]
    layouts = ", ".join(dict.fromkeys(one.layout for one in settings))
    sizes = ", ".join(dict.fromkeys(str(one.batch_size) for one in settings))
    return [
        f"model    {plan.settings.model} ({plan.source.weights} weights, {plan.settings.precision})",
        f"engines  {', '.join(plan.settings.engines)}; allocators {', '.join(plan.settings.allocators)}",
        *_input_lines(plan),
        f"layouts  {layouts}; batch size {sizes}",
        f"race     {len(settings)} configurations in {families} families of processes, for {planned.objective}"
        + (f", {', '.join(bounds)}" if bounds else ""),
        f"results  {planned.folder}",
    ]


def _input_lines(plan: StudyPlan) -> list[str]:
    """Say what goes into a call where anything was said about it."""
    settings = plan.settings
    told = settings.input_shapes or settings.values or settings.inputs or settings.batch_axis
    return input_lines(plan.source, plan.shapes, settings.batch_sizes) if plan.shapes and told else []


def tune(planned: PlannedTuning, say: Callable[[str], None]) -> Tuned:
    """Export what is missing, race, and write the folder; an interruption ends it early and keeps what is known.

    Raises:
        OrtbenchError: the model cannot be exported or run; then nothing is written.
    """
    with holding(planned.folder):
        return _tune(planned, say)


def _tune(planned: PlannedTuning, say: Callable[[str], None]) -> Tuned:
    plan, folder = planned.comparison.plan, planned.folder
    race = Race(planned.settings, planned.objective, planned.bounds)
    with contest(plan, say) as (running, maker):
        run = with_artifacts(new_run(planned.comparison), maker.artifacts)
        maker.build(planned.settings)
        with writing_to(folder):
            folder.mkdir(parents=True, exist_ok=True)
            write_json(folder / RUN_FILE, run)
        with Journal(folder) as journal:
            running.keeper = journal
            tuner = Tuner(race, ContestTrack(running, maker), plan.settings.max_time_s, _ignore)
            # A race that is killed leaves what the launches so far came to.
            tuner.say = lambda text: _tell_and_write(text, say, planned, tuner)
            state = _run(tuner)
    tuning = _conclude(planned, tuner, state)
    with writing_to(folder):
        write_json(folder / TUNING_FILE, tuning)
        write_json(folder / RUN_FILE, _ended(run, state, tuning))
    return Tuned(folder, tuning)


def _run(tuner: Tuner) -> RunState:
    try:
        tuner.run()
    except KeyboardInterrupt:
        ignore_interruptions()
        return "interrupted"
    return "complete"


def _tell_and_write(text: str, say: Callable[[str], None], planned: PlannedTuning, tuner: Tuner) -> None:
    with writing_to(planned.folder):
        write_json(planned.folder / TUNING_FILE, _conclude(planned, tuner, "running"))
    say(text)


def _conclude(planned: PlannedTuning, tuner: Tuner, state: RunState) -> Tuning:
    best = tuner.race.best
    again = _again(planned.comparison.plan, best) if best else ()
    return tuner.race.conclude(planned.comparison.plan.source.name, tuner.seconds, again, state)


def _ended(run: Run, state: RunState, tuning: Tuning) -> Run:
    """Return run.json at the end: how each cell ended, by its first fault."""
    cells = []
    for cell in run.cells:
        own = [trial for trial in tuning.trials if trial.setting.cell(cell.key.model, cell.key.precision) == cell.key]
        failed = [trial.ruling.reason for trial in own if trial.state == "failed" and trial.ruling]
        measured = any(trial.rounds for trial in own)
        status: Status = "failed" if failed else "ok" if measured else "skipped"
        reason = failed[0] if failed else None if measured else "it was not its turn within --max-time"
        cells.append(msgspec.structs.replace(cell, status=status, reason=reason))
    return msgspec.structs.replace(run, state=state, cells=tuple(cells), time_s={"total": tuning.seconds})


def _again(plan: StudyPlan, best: Setting) -> tuple[str, ...]:
    """Return the words of the command that measures the best configuration, beside the first engine."""
    settings, source = plan.settings, plan.source
    engines = dict.fromkeys([settings.engines[0], best.engine])
    words = ["ortbench", "compare", "--model", source.path or source.name, "--engines", ",".join(engines)]
    words += ["--allocators", best.allocator, "--threads", str(best.threads), "--instances", str(best.instances)]
    words += ["--batch-sizes", str(best.batch_size)]
    if source.path is None and source.weights != "random":
        words += ["--weights", source.weights]
    for option, value, usual in (
        ("--precision", settings.precision, "fp32"),
        ("--inputs", settings.images or settings.inputs, None),
        ("--reference", settings.reference, "fp32"),
        ("--seed", str(settings.seed), "0"),
    ):
        words += [option, value] if value is not None and value != usual else []
    for name, shape in settings.input_shapes.items():
        words += ["--input-shape", f"{name}={'x'.join(map(str, shape))}"]
    return tuple(words + (["--allow-fallback"] if settings.allow_fallback else []))


def _ignore(text: str) -> None:
    """Say nothing yet."""

"""What the command line does, as functions: each takes what was typed and returns what was found."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal

from ortbench.comparison import CompareRequest, Comparison, PlannedComparison
from ortbench.engines.lanes import keep_in_lanes
from ortbench.engines.registry import resolve_engines, wildcard_engines
from ortbench.errors import UsageError, expected_one_of
from ortbench.export.cache import cache_note
from ortbench.export.exporter import find_export
from ortbench.models.precision import parse_lanes
from ortbench.results.explanation import find_cell
from ortbench.results.folder import (
    EXPLAIN_FILE,
    check_new_folder,
    check_not_in_use,
    holding,
    write_json,
    writing_to,
)
from ortbench.results.schema import CellKey, Run
from ortbench.results.source import write_derived
from ortbench.results.study import load_results
from ortbench.run_record import artifact_records, export_request, new_run
from ortbench.runner.allocators import parse_allocators
from ortbench.runner.available import find_available
from ortbench.runner.configurations import open_reference
from ortbench.runner.cpus import thread_limit
from ortbench.runner.explain import explain_study
from ortbench.runner.exports import Exports
from ortbench.runner.images import images_file, means_images
from ortbench.runner.jobs import Reference, making_limit_s
from ortbench.runner.layouts import choose_counts
from ortbench.runner.load import DEFAULT_BATCH_SIZES as LOAD_BATCH_SIZES
from ortbench.runner.load import check_load, parse_load
from ortbench.runner.machine import missing_features
from ortbench.runner.memory import available_mib, inputs_mib
from ortbench.runner.outcome import with_artifacts
from ortbench.runner.planning import (
    DEFAULT_BATCH_SIZES,
    FULL_BATCH_SIZES,
    Settings,
    StudyPlan,
    choose_batch_sizes,
    describe_plan,
    make_plan,
)
from ortbench.runner.proving import inspect_model
from ortbench.runner.record import StudyRecord
from ortbench.runner.resume import check_same_study, check_unchanged, continued_run, read_earlier
from ortbench.runner.roofs import find_roofs
from ortbench.runner.sources import (
    InputOptions,
    given_files_sha256,
    is_file,
    parse_input_shapes,
    parse_values,
    resolve_model,
)
from ortbench.runner.study import Observer, Study
from ortbench.safe_names import safe_name
from ortbench.units import parse_counts, parse_duration, parse_fraction

# Options of engines that divide a batch themselves.
_DIVIDING = {"sessions", "streams"}
DEFAULT_ENGINES = "torch,torchscript,ort"


def plan_comparison(
    request: CompareRequest, say: Callable[[str], None] = lambda _: None, *, make_environments: bool = True
) -> PlannedComparison:
    """Check everything that was asked for, down to whether each engine can run here; measure nothing.

    Args:
        request: what was asked for.
        say: is told of each environment that is made for an engine.
        make_environments: make those that are missing; all else is only read.

    Raises:
        UsageError: something is wrong; the message says what, what would be right, and what to do next.
    """
    target = parse_fraction(request.target, "--target")
    margin = parse_fraction(request.margin, "--margin")
    max_time_s = parse_duration(request.max_time, "--max-time")
    given_batches = parse_counts(request.batch_sizes, "--batch-sizes") if request.batch_sizes is not None else None
    given_threads = parse_counts(request.threads, "--threads") if request.threads is not None else None
    given_instances = parse_counts(request.instances, "--instances") if request.instances is not None else None
    load = parse_load(request.load, request.rate, request.max_latency)
    limit = thread_limit()
    counts = choose_counts(given_threads, given_instances, limit, full=request.full, scaling=request.scaling)
    engines_text = request.engines if request.engines is not None else _default_engines(request.model)
    lanes = parse_lanes(request.precision)
    engines = keep_in_lanes(resolve_engines(engines_text), lanes, wildcard_engines(engines_text))
    shapes = parse_input_shapes(request.input_shape)
    images = request.inputs if request.inputs is not None and means_images(request.inputs) else None
    inputs = str(images_file(request.model, images)) if images else request.inputs
    options = InputOptions(
        shapes=shapes,
        file=inputs,
        values=parse_values(request.values),
        batch_axis=request.batch_axis,
        batch_sizes=FULL_BATCH_SIZES if request.full and given_batches is None else given_batches,
        divides=max(counts.instances) > 1 or any(_DIVIDING & engine.options.keys() for engine in engines),
    )
    model = resolve_model(request.model, request.weights, request.seed, options)
    usual = LOAD_BATCH_SIZES.get(load.name, DEFAULT_BATCH_SIZES) if load else DEFAULT_BATCH_SIZES
    batch_sizes = choose_batch_sizes(
        given_batches,
        model.fixed_batch,
        full=request.full,
        usual=usual,
        told=model.shapes.given_size,
        first_axis=model.first_axis,
    )
    if load:
        check_load(load, batch_sizes, counts.instances)
    folder = _output_folder(request, model.source.name)
    if request.resume:
        check_not_in_use(folder)
    before = read_earlier(folder) if request.resume else None
    if before is None:
        check_new_folder(folder)
    twins = _twins(request.twins)
    allocators = tuple(allocator.label for allocator in parse_allocators(request.allocators))
    baseline = resolve_engines(request.baseline)[0].label if request.baseline else engines[0].label

    def settings(labels: Sequence[str]) -> Settings:
        return Settings(
            engines=tuple(labels),
            baseline=baseline,
            model=model.source.name,
            weights=model.source.weights,
            precision=",".join(lanes),
            batch_sizes=batch_sizes,
            threads=counts.threads,
            instances=counts.instances,
            cpus=limit,
            target=target,
            margin=margin,
            max_time_s=max_time_s,
            seed=request.seed,
            twins=twins,
            input_shapes=shapes,
            inputs=model.source.inputs_file,
            allocators=allocators,
            allow_fallback=request.allow_fallback,
            reference=request.reference,
            images=str(Path(images).absolute()) if images else None,
            files_sha256=given_files_sha256(model.source),
            load=load.name if load else None,
            rate=load.rate if load else None,
            max_latency_s=load.max_latency_s if load and load.rate else None,
            # What is continued goes on with runs as long as before, whatever --max-time says now.
            load_run_s=before.run.settings.get("load_run_s") if before else None,
            batch_axis=request.batch_axis,
            values=dict(options.values) or None,
        )

    # What can be refused without starting a process is refused first.
    draft = make_plan(settings([engine.label for engine in engines]), model.source, engines, model.shapes)
    explain = (
        find_cell(request.explain, tuple(cell.key for cell in draft.cells)) if request.explain is not None else None
    )
    found = find_available(engines, wildcard_engines(engines_text), say, make=make_environments)
    plan = make_plan(settings([engine.label for engine in found.engines]), model.source, found.engines, model.shapes)
    planned = PlannedComparison(plan, folder, tuple(request.command), found, before, explain)
    # Of an environment that is still to be made no version is known.
    if before is not None and not found.to_make:
        check_same_study(before, new_run(planned), folder, may_be_spent=explain is not None)
    return planned


def _output_folder(request: CompareRequest, model: str) -> Path:
    """Return where the results go: `--output`, or a new folder named after the model and the time."""
    if request.resume and request.output is None:
        raise UsageError("--resume goes on with the study in a folder; say which one with --output FOLDER.")
    if request.output is not None:
        return Path(request.output)
    stamp = dt.datetime.now().astimezone().strftime("%Y%m%d-%H%M%S")
    return Path("ortbench-results") / f"{safe_name(model)}-{stamp}"


def plan_lines(plan: StudyPlan) -> list[str]:
    """Say what will be measured and how long that will take."""
    export_needed = any(find_export(export_request(plan, precision)) is None for precision in plan.exports)
    lines = describe_plan(plan, export_needed=export_needed)
    return lines + [f"lacking  {feature}, on this system" for feature in missing_features()]


def compare(planned: PlannedComparison, observer: Observer) -> Comparison:
    """Export what is missing, measure, and write the results folder, charts excepted.

    Raises:
        OrtbenchError: the model cannot be exported or run; then nothing is written.
    """
    before, folder = planned.before, planned.folder
    with holding(folder, partial(check_unchanged, before, folder) if before else None):
        return _compare(planned, observer)


def _compare(planned: PlannedComparison, observer: Observer) -> Comparison:
    plan, folder = planned.plan, planned.folder
    if note := cache_note():
        observer.say(note)
    with ExitStack() as stack:
        requests = [export_request(plan, precision) for precision in plan.exports]
        exports = Exports(requests, observer.say, making_limit_s(plan.settings.max_time_s))
        stack.enter_context(exports)
        reference = open_reference(stack, plan)
        study = stack.enter_context(contextlib.closing(_study(planned, reference, observer)))
        if reference is not None:
            reference.ready()
        if exports.under_way:
            study.start_early()
        artifacts = artifact_records(plan, exports.results())
        if planned.before is not None:
            now = with_artifacts(study.run, artifacts)
            check_same_study(planned.before, now, folder, may_be_spent=planned.explain is not None)
        study.build(artifacts)
        run, cut_short = (planned.spent.run, False) if planned.spent else _measured(study, plan)
    # From the record, not from memory: what is printed is what can be rebuilt.
    results = load_results(folder)
    with writing_to(folder):
        write_derived(folder, results.summary)
    comparison = Comparison(folder, run, results, cut_short=cut_short)
    if planned.explain is None or comparison.interrupted:
        return comparison
    return _explained(comparison, study, planned.explain)


def _measured(study: Study, plan: StudyPlan) -> tuple[Run, bool]:
    """Measure, once the reference has shown that it can run the model at all; then measure the machine's roofs.

    Returns:
        run.json's content, and whether the second was interrupted: that loses nothing that was measured.
    """
    smallest = plan.settings.batch_sizes[0]
    if study.reference is not None and inputs_mib(plan.source, smallest) < available_mib():
        # What the reference cannot run, no arm needs to try; nothing has been written yet.
        study.reference.outputs(smallest)
        inspect_model(study, smallest)
    study.begin()
    if study.measure().state == "interrupted":
        return study.run, False
    try:
        return find_roofs(study), False
    except KeyboardInterrupt:
        return study.run, True


def _explained(comparison: Comparison, study: Study, cell: CellKey) -> Comparison:
    """Profile a cell and keep what is found; an interruption here loses nothing that was measured."""
    try:
        explanation = explain_study(study, comparison.results, cell)
    except KeyboardInterrupt:
        return replace(comparison, cut_short=True)
    with writing_to(comparison.folder):
        write_json(comparison.folder / EXPLAIN_FILE, explanation)
    return replace(comparison, explanation=explanation)


def _study(planned: PlannedComparison, reference: Reference | None, observer: Observer) -> Study:
    """Return the study, with what an earlier part of it measured."""
    run, record = new_run(planned), StudyRecord(planned.plan.settings.baseline)
    if planned.before is None:
        return Study(planned.plan, planned.folder, run, reference, observer, record)
    before = planned.before
    record.continue_from(before.rounds, before.launches)
    record.time_s.update({name: seconds for name, seconds in before.run.time_s.items() if name != "total"})
    run = continued_run(run, before.run)
    return Study(planned.plan, planned.folder, run, reference, observer, record, spent_s=before.spent_s)


def _twins(text: str) -> Literal["smallest", "all"]:
    if text not in ("smallest", "all"):
        raise UsageError(expected_one_of("--twins", ("smallest", "all"), text))
    return "all" if text == "all" else "smallest"


def _default_engines(model: str) -> str:
    return "ort" if is_file(model) else DEFAULT_ENGINES

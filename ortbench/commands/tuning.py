"""`ortbench tune`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from ortbench.commands.answering import (
    CHECK_FAILED,
    DONE,
    INCOMPLETE,
    INTERRUPTED,
    Json,
    Quiet,
    answer,
    print_json,
)
from ortbench.faults import faults_logged_in
from ortbench.streams import answer_folder, answer_lines, say

if TYPE_CHECKING:
    from ortbench.results.tuning import Tuning


def tune(
    engines: Annotated[
        str | None,
        typer.Option(
            help="Engines, name[:target][option=value,...], separated by commas.  [default: "
            "torch,torchscript,ort; for an .onnx file ort]",
            show_default=False,
        ),
    ] = None,
    model: Annotated[str, typer.Option(help="A model of `ortbench models`, or an .onnx file.")] = "resnet50",
    weights: Annotated[
        str | None, typer.Option(help="random (the default), pretrained, or a state dict's file.")
    ] = None,
    precision: Annotated[str, typer.Option(help="One lane: fp32, tf32, bf16, fp16 or int8.")] = "fp32",
    batch_sizes: Annotated[
        str | None, typer.Option(help="Batch sizes, separated by commas.  [default: 1,4,16; for latency the smallest]")
    ] = None,
    threads: Annotated[
        str | None,
        typer.Option(help="Thread counts of one instance.  [default: powers of two, up to the CPUs]"),
    ] = None,
    instances: Annotated[
        str | None, typer.Option(help="Instance counts.  [default: powers of two, up to the CPUs]")
    ] = None,
    allocators: Annotated[
        str, typer.Option(help="default, tcmalloc, jemalloc, mimalloc, or default[trim_threshold=...].")
    ] = "default",
    objective: Annotated[
        str, typer.Option(help="throughput (each instance runs its own batches) or latency (they divide one).")
    ] = "throughput",
    max_latency: Annotated[str | None, typer.Option(help="No batch may take longer, e.g. 50ms.")] = None,
    max_memory: Annotated[
        str | None, typer.Option(help="Of all its processes together, at their peak, e.g. 2GiB.")
    ] = None,
    max_time: Annotated[str, typer.Option(help="For measuring, launches included, the export not.")] = "5m",
    input_shape: Annotated[
        list[str] | None,
        typer.Option(help="NAME=1x3x224x224, once for each input that needs it.", show_default=False),
    ] = None,
    inputs: Annotated[
        str | None,
        typer.Option(help="An .npz file with one array for each input; or an image, or a folder of images (jpg, png)."),
    ] = None,
    values: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME=SPEC, once for each input that seeded values do not suit: a number, 0..255, normal, ones, "
            "zeros, or the text of an input of text.",
            show_default=False,
        ),
    ] = None,
    batch_axis: Annotated[
        str | None,
        typer.Option(
            help="Which dimension is the batch: its name, INPUT:AXIS for one without, or none.", show_default=False
        ),
    ] = None,
    reference: Annotated[
        str, typer.Option(help="What outputs are compared with: the model in fp32, or in float64.")
    ] = "fp32",
    seed: Annotated[int, typer.Option(help="Seed of weights, inputs and orders.", min=0)] = 0,
    allow_fallback: Annotated[
        bool, typer.Option("--allow-fallback", help="Let an engine run most of the model on another provider.")
    ] = False,
    output: Annotated[
        str | None, typer.Option(help="Results folder.  [default: ortbench-results/MODEL-tune-TIMESTAMP]")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be raced, and stop.")] = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Find the best engine, allocator, threads, instances and batch size without measuring all of them."""
    import msgspec

    from ortbench.charts.tune_words import build_tuning_table, tuning_conclusion
    from ortbench.comparison import CompareRequest
    from ortbench.progress import Progress
    from ortbench.tuning import TuneRequest, plan_tuning, tuning_lines
    from ortbench.tuning import tune as race
    from ortbench.units import parse_duration

    study = CompareRequest(
        engines=engines,
        model=model,
        weights=weights,
        precision=precision,
        batch_sizes=batch_sizes,
        threads=threads,
        instances=instances,
        max_time=max_time,
        input_shape=tuple(input_shape or ()),
        inputs=inputs,
        values=tuple(values or ()),
        batch_axis=batch_axis,
        reference=reference,
        seed=seed,
        allocators=allocators,
        allow_fallback=allow_fallback,
        output=output,
        command=("ortbench", *sys.argv[1:]),
    )
    request = TuneRequest(study=study, objective=objective, max_latency=max_latency, max_memory=max_memory)
    with Progress(parse_duration(max_time, "--max-time"), quiet=quiet) as progress:
        planned = plan_tuning(request, progress.say, make_environments=not dry_run)
        lines = tuning_lines(planned)
        if not dry_run:
            for line in lines:
                progress.say(line)
            with faults_logged_in(planned.folder):
                found = race(planned, progress.say)
    if dry_run:
        answer({"settings": msgspec.to_builtins(planned.settings)}, lines, as_json=as_json)
        raise typer.Exit(DONE)
    if as_json:
        print_json(found.tuning)
    else:
        answer(None, build_tuning_table(found.tuning), as_json=False)
        answer_lines(tuning_conclusion(found.tuning))
    if found.tuning.state == "interrupted":
        say("Interrupted; what was measured is kept.")
    # The path comes last, where a person and a script both find it.
    answer_folder(found.folder, as_json=as_json)
    raise typer.Exit(_status(found.tuning))


def _status(tuning: Tuning) -> int:
    """Return the exit status: interrupted, nothing keeps the bounds, something failed, or done."""
    if tuning.state == "interrupted":
        return INTERRUPTED
    if tuning.best is None and any(trial.rounds for trial in tuning.trials):
        return CHECK_FAILED
    return INCOMPLETE if tuning.of_state("failed") or tuning.best is None else DONE

"""`ortbench export` and `ortbench compare`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from ortbench.commands.answering import Json, Quiet, answer


def export(
    model: Annotated[str, typer.Option(help="A model of `ortbench models`.")] = "resnet50",
    weights: Annotated[
        str | None, typer.Option(help="random (the default), pretrained, or a state dict's file.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of random weights.", min=0)] = 0,
    opset: Annotated[str, typer.Option(help="ONNX operator set version.")] = "18",
    exporter: Annotated[str, typer.Option(help="dynamo or torchscript.")] = "dynamo",
    precision: Annotated[str, typer.Option(help="fp32, fp16, or int8 (static quantisation).")] = "fp32",
    output: Annotated[str | None, typer.Option(help="Folder for the artifact instead of the cache.")] = None,
    as_json: Json = False,
) -> None:
    """Export a model to ONNX and check it: valid, and the same outputs as PyTorch."""
    from ortbench import exporting
    from ortbench.reports import artifact_document, artifact_lines

    artifact = exporting.export(
        model=model, weights=weights, seed=seed, opset=opset, exporter=exporter, output=output, precision=precision
    )
    answer(artifact_document(artifact), artifact_lines(artifact), as_json=as_json)


def compare(
    context: typer.Context,
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
    precision: Annotated[
        str, typer.Option(help="Lanes, separated by commas: fp32, tf32, bf16, fp16, int8. Each is compared by itself.")
    ] = "fp32",
    batch_sizes: Annotated[
        str | None, typer.Option(help="Batch sizes, separated by commas.  [default: 1,4,16]")
    ] = None,
    threads: Annotated[
        str | None,
        typer.Option(help="Thread counts, separated by commas.  [default: all this process may use]"),
    ] = None,
    instances: Annotated[
        str | None,
        typer.Option(
            help="How many processes share an arm's work, separated by commas: they divide a batch (split), and run "
            "their own (stream).  [default: 1]"
        ),
    ] = None,
    scaling: Annotated[
        bool, typer.Option("--scaling", help="Threads x instances in powers of two, up to the CPUs.")
    ] = False,
    baseline: Annotated[str | None, typer.Option(help="What speedups are over.  [default: the first engine]")] = None,
    target: Annotated[str, typer.Option(help="Wanted half-width of the speedup's interval.")] = "2%",
    margin: Annotated[
        str, typer.Option(help="A speedup that differs from 1 by less is called the same; the verdicts' fixed band.")
    ] = "1%",
    max_time: Annotated[str, typer.Option(help="For measuring, launches included, the export not.")] = "5m",
    full: Annotated[bool, typer.Option("--full", help="Batch sizes 1 to 256 and every thread count.")] = False,
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
    twins: Annotated[
        str, typer.Option(help="Cells in which the baseline also runs against itself: smallest (batch size) or all.")
    ] = "smallest",
    allocators: Annotated[
        str,
        typer.Option(
            help="Run everything with each: default, tcmalloc, jemalloc, mimalloc, or glibc's tunables as "
            "default[trim_threshold=...]."
        ),
    ] = "default",
    allow_fallback: Annotated[
        bool,
        typer.Option(
            "--allow-fallback", help="Let an engine run most of the model on another provider; a mark says how much."
        ),
    ] = False,
    load: Annotated[
        str | None,
        typer.Option(
            help="Let MLPerf LoadGen make the requests: poisson (arrivals, with --rate), single-stream, multi-stream, "
            "or offline.",
            show_default=False,
        ),
    ] = None,
    rate: Annotated[
        str | None, typer.Option(help="With --load poisson: how many requests arrive a second.", show_default=False)
    ] = None,
    max_latency: Annotated[
        str | None,
        typer.Option(
            help="With --load poisson: LoadGen's bound on the 99th percentile.  [default: 100ms]", show_default=False
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the study in --output; --max-time counts what it has used.")
    ] = False,
    study: Annotated[
        str | None,
        typer.Option(help="Options from a TOML file, or a run.json; what is typed goes first.", metavar="FILE"),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(help="Earlier results: measure the same anew, and say what changed.", metavar="OLD"),
    ] = None,
    trust: Annotated[
        list[str] | None,
        typer.Option(
            help="Let this file of --study or --against name programs and libraries that are run.",
            metavar="FILE",
            show_default=False,
        ),
    ] = None,
    explain: Annotated[
        str | None,
        typer.Option(
            help="In the end, profile this cell (b4-t2, or batch_size=4,threads=2) and say where its time goes.",
            metavar="CELL",
        ),
    ] = None,
    output: Annotated[
        str | None, typer.Option(help="Results folder.  [default: ortbench-results/MODEL-TIMESTAMP]")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be measured, and stop.")] = False,
    no_charts: Annotated[
        bool, typer.Option("--no-charts", help="Draw no charts and write no report; both can be made later.")
    ] = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Measure engines against each other, turn by turn, and write table, charts and record."""
    from ortbench.comparison import CompareRequest
    from ortbench.running import compare_and_show
    from ortbench.study_file import read_study

    # What is typed goes before the file, and the file before the defaults.
    given = {name: value for name, value in context.params.items() if _is_typed(context, name)}
    typed = {name: value for name, value in given.items() if name in CompareRequest.__dataclass_fields__}
    fields = read_study(Path(study or against or ""), typed, trust or ()) if study or against else {}
    fields |= typed
    fields |= {name: tuple(fields.get(name) or ()) for name in ("input_shape", "values")}
    request = CompareRequest(**fields, command=("ortbench", *sys.argv[1:]))
    status = compare_and_show(
        request, against=against, dry_run=dry_run, charts=not no_charts, quiet=quiet, as_json=as_json
    )
    raise typer.Exit(status)


def _is_typed(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"

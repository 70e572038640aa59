"""The command line: each command is a list of steps; what the steps do stands elsewhere."""

from __future__ import annotations

import json
import sys
import traceback
from pathlib import Path
from typing import Annotated, Any

import typer

import ortbench
from ortbench.errors import OrtbenchError

DONE, CHECK_FAILED, WRONG_USAGE, INCOMPLETE, INTERRUPTED = 0, 1, 2, 3, 130

app = typer.Typer(
    name="ortbench",
    help="Should this model run on ONNX Runtime, and how much faster is that than PyTorch, really?",
    no_args_is_help=True,
    add_completion=False,
    # Plain help starts in half the time: rich is imported only where it draws something.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)

Json = Annotated[bool, typer.Option("--json", help="Print the answer as one JSON document.")]
Results = Annotated[str, typer.Argument(help="A results folder, or a CSV of latencies.", metavar="RESULTS")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress on standard error.")]


def run(arguments: list[str]) -> int:
    """Run the command line; return the exit status. Errors become one message, without a traceback."""
    # --debug may stand anywhere; it belongs to the program, not to a command.
    debug = "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"]
    try:
        app(args=arguments, prog_name="ortbench")
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else CHECK_FAILED
    except OrtbenchError as error:
        if debug:
            traceback.print_exc()
        print(f"Error: {error}", file=sys.stderr)  # noqa: T201 - the one message, on standard error
        return error.exit_code
    except Exception as error:  # noqa: BLE001 - the last resort: still one message
        if debug:
            traceback.print_exc()
        name = type(error).__name__
        print(  # noqa: T201
            f"Error: ortbench itself failed: {name}: {error}. Run it again with --debug and report the traceback.",
            file=sys.stderr,
        )
        return CHECK_FAILED
    return DONE


def _version(wanted: bool) -> None:
    if wanted:
        _print(f"ortbench {ortbench.__version__}")
        raise typer.Exit(DONE)


@app.callback()
def _global(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and stop.", is_eager=True, callback=_version)
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Take what belongs to no command."""


@app.command(epilog="Example: ortbench export --model resnet50 --opset 20 --output exported/resnet50")
def export(
    model: Annotated[str, typer.Option(help="A model of `ortbench models`.")] = "resnet50",
    weights: Annotated[
        str | None, typer.Option(help="random (the default), pretrained, or a state dict's file.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of random weights.", min=0)] = 0,
    opset: Annotated[str, typer.Option(help="ONNX operator set version.")] = "18",
    exporter: Annotated[str, typer.Option(help="dynamo or torchscript.")] = "dynamo",
    output: Annotated[str | None, typer.Option(help="Folder for the artifact instead of the cache.")] = None,
    as_json: Json = False,
) -> None:
    """Export a model to ONNX and check it: valid, and the same outputs as PyTorch."""
    from ortbench import exporting
    from ortbench.reports import artifact_document, artifact_lines

    artifact = exporting.export(model=model, weights=weights, seed=seed, opset=opset, exporter=exporter, output=output)
    _answer(artifact_document(artifact), artifact_lines(artifact), as_json=as_json)


@app.command(epilog="Example: ortbench compare --engines torch,ort --batch-sizes 1,16 --max-time 10m")
def compare(
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
    batch_sizes: Annotated[
        str | None, typer.Option(help="Batch sizes, separated by commas.  [default: 1,4,16]")
    ] = None,
    threads: Annotated[
        str | None,
        typer.Option(help="Thread counts, separated by commas.  [default: all this process may use]"),
    ] = None,
    baseline: Annotated[str | None, typer.Option(help="What speedups are over.  [default: the first engine]")] = None,
    target: Annotated[str, typer.Option(help="Wanted half-width of the speedup's interval.")] = "2%",
    max_time: Annotated[str, typer.Option(help="For measuring, launches included, the export not.")] = "5m",
    full: Annotated[bool, typer.Option("--full", help="Batch sizes 1 to 256 and every thread count.")] = False,
    input_shape: Annotated[
        list[str] | None,
        typer.Option(help="NAME=1x3x224x224, once for each input that needs it.", show_default=False),
    ] = None,
    inputs: Annotated[str | None, typer.Option(help="An .npz file with one array for each input.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of weights, inputs and orders.", min=0)] = 0,
    twins: Annotated[
        str, typer.Option(help="Cells in which the baseline also runs against itself: smallest (batch size) or all.")
    ] = "smallest",
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the study in --output; --max-time counts what it has used.")
    ] = False,
    output: Annotated[
        str | None, typer.Option(help="Results folder.  [default: ortbench-results/MODEL-TIMESTAMP]")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be measured, and stop.")] = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Measure engines against each other, turn by turn, and write table, charts and record."""
    from ortbench import api

    request = api.CompareRequest(
        engines=engines,
        model=model,
        weights=weights,
        batch_sizes=batch_sizes,
        threads=threads,
        baseline=baseline,
        target=target,
        max_time=max_time,
        full=full,
        input_shape=tuple(input_shape or ()),
        inputs=inputs,
        seed=seed,
        twins=twins,
        resume=resume,
        output=output,
        command=("ortbench", *sys.argv[1:]),
    )
    from ortbench.running import compare_and_show

    raise typer.Exit(compare_and_show(request, dry_run=dry_run, quiet=quiet, as_json=as_json))


@app.command(epilog="Example: ortbench show ortbench-results/resnet50-20260131-120000")
def show(results: Results, as_json: Json = False) -> None:
    """Print the table again, rebuilt from the record, or the table of a CSV."""
    from ortbench.results.source import load_summary

    _show_summary(load_summary(Path(results)), as_json=as_json)


@app.command(epilog="Example: ortbench charts measurements.csv --output charts")
def charts(
    results: Results,
    output: Annotated[str | None, typer.Option(help="Folder for the charts.  [default: RESULTS/charts]")] = None,
    as_json: Json = False,
) -> None:
    """Draw the gallery, as PNG and SVG."""
    from ortbench import api
    from ortbench.results.source import load_summary

    folder = Path(output) if output else api.charts_folder(Path(results))
    files = api.draw_charts(load_summary(Path(results)), folder)
    document = {"folder": str(folder), "files": [str(file) for file in files]}
    _answer(document, [f"{len(files)} files in {folder}"], as_json=as_json)


@app.command(epilog="Example: ortbench engines")
def engines(as_json: Json = False) -> None:
    """List every engine: available here or not, version, device, and what would add it."""
    from ortbench.reports import engines_document, engines_table

    document = engines_document()
    _answer(document, engines_table(document), as_json=as_json)


@app.command(epilog="Example: ortbench models")
def models(as_json: Json = False) -> None:
    """List the catalog's models; any .onnx file works as well."""
    from ortbench.reports import models_document, models_table

    document = models_document()
    _answer(document, models_table(document), as_json=as_json)


@app.command(epilog="Example: ortbench doctor --max-time 2m")
def doctor(
    max_time: Annotated[str, typer.Option(help="For the study of an engine against itself.")] = "30s",
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Say whether this machine is fit to measure on, and how fine a difference it can resolve."""
    import msgspec

    from ortbench.doctor import advice_lines, examine, findings_table
    from ortbench.progress import Progress
    from ortbench.units import parse_duration

    with Progress(parse_duration(max_time, "--max-time"), quiet=quiet) as progress:
        progress.say(f"comparing ONNX Runtime with itself for {max_time}")
        diagnosis = examine(max_time, progress)
    document = msgspec.to_builtins(diagnosis)
    _answer(document, findings_table(diagnosis), as_json=as_json)
    if not as_json:
        _print("\n".join(advice_lines(diagnosis)))
    raise typer.Exit(DONE if diagnosis.fit else CHECK_FAILED)


@app.command(epilog="Example: ortbench cache --clear")
def cache(
    clear: Annotated[bool, typer.Option("--clear", help="Delete every exported model.")] = False,
    as_json: Json = False,
) -> None:
    """List exported models with their size, or delete them."""
    from ortbench.reports import cache_document, cache_table

    document = cache_document(clear=clear)
    _answer(document, cache_table(document), as_json=as_json)


def _show_summary(summary: Any, *, as_json: bool) -> None:
    import msgspec

    from ortbench.charts.table import answer_console, print_summary

    if as_json:
        _print(msgspec.json.format(msgspec.json.encode(summary)).decode())
    else:
        print_summary(summary, answer_console())


def _answer(document: Any, readable: Any, *, as_json: bool) -> None:
    """Print a JSON document, or lines or a table for people."""
    if as_json:
        _print(json.dumps(document, indent=2))
    elif isinstance(readable, list):
        _print("\n".join(readable))
    else:
        from ortbench.charts.table import answer_console

        answer_console().print(readable)


def _print(text: str) -> None:
    print(text)  # noqa: T201 - standard output carries the answer

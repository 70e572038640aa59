"""Commands about this machine: `engines`, `models`, `doctor` and `cache`."""

from __future__ import annotations

from typing import Annotated

import typer

from ortbench.commands.answering import CHECK_FAILED, DONE, Json, Quiet, answer
from ortbench.streams import answer_lines


def engines(
    name: Annotated[
        str | None, typer.Argument(help="One engine: all its targets, and its options.", metavar="NAME")
    ] = None,
    library: Annotated[
        str | None,
        typer.Option(help="A plugin execution provider's library: list the devices it offers.", metavar="FILE"),
    ] = None,
    as_json: Json = False,
) -> None:
    """List every engine: available here or not, version, device, and what would add it."""
    from ortbench import engine_reports
    from ortbench.reports import engines_document, engines_table

    if library is not None:
        devices = engine_reports.devices_document(library)
        answer(devices, engine_reports.devices_table(devices), as_json=as_json)
        return
    document = engines_document() if name is None else engine_reports.engine_document(name)
    answer(document, engines_table(document), as_json=as_json)
    if name is not None and not as_json:
        answer(document, engine_reports.options_table(document), as_json=False)


def models(as_json: Json = False) -> None:
    """List the catalog's models; any .onnx file works as well."""
    from ortbench.reports import models_document, models_table

    document = models_document()
    answer(document, models_table(document), as_json=as_json)


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
    answer(document, findings_table(diagnosis), as_json=as_json)
    if not as_json:
        answer_lines(advice_lines(diagnosis))
    raise typer.Exit(DONE if diagnosis.fit else CHECK_FAILED)


def cache(
    clear: Annotated[bool, typer.Option("--clear", help="Delete all of it.")] = False,
    as_json: Json = False,
) -> None:
    """List exported models, engines' environments and what engines built, with their sizes, or delete them."""
    from ortbench.reports import cache_document, cache_table

    document = cache_document(clear=clear)
    answer(document, cache_table(document), as_json=as_json)

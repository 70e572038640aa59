"""`ortbench check`: the provider-speedup gate."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ortbench.commands.answering import Json, Results, wanted
from ortbench.errors import UsageError, expected_one_of
from ortbench.streams import answer_annotations, answer_json, answer_text

if TYPE_CHECKING:
    from ortbench.results.gate import GateReport
    from ortbench.results.requirements import Requirement

_EXAMPLE = "--require 'ort/torch >= 1.2 where batch_size=1'"
# Programs read these from standard output, wherever else they go.
_ALWAYS_PRINTED = ("json", "github")
_PRINTED = {"json": answer_json, "github": answer_annotations}


def check(
    results: Results,
    require: Annotated[
        list[str] | None,
        typer.Option(help=f"What must hold, once for each requirement: {_EXAMPLE}.", show_default=False),
    ] = None,
    requirements: Annotated[str | None, typer.Option(help="A TOML file of requirements.", metavar="FILE")] = None,
    format_name: Annotated[
        str, typer.Option("--format", help="text, json, junit, github (annotations) or markdown.")
    ] = "text",
    as_json: Json = False,
    output: Annotated[
        str | None, typer.Option(help="A file for the answer; standard output then has the text.", metavar="FILE")
    ] = None,
) -> None:
    """Check results against requirements: exit status 0, 1 where one fails, 3 where one cannot be decided."""
    from ortbench.results.folder import write_atomically, writing_product
    from ortbench.results.gate_formats import FORMATS

    format_name = _choose_format(format_name, tuple(FORMATS), as_json=as_json)
    report = _decide(Path(results), _gather(require or [], requirements))
    if output:
        with wanted(Path(output)), writing_product(Path(output)):
            write_atomically(Path(output), (FORMATS[format_name](report) + "\n").encode())
    shown = format_name if not output or format_name in _ALWAYS_PRINTED else "text"
    _PRINTED.get(shown, answer_text)(FORMATS[shown](report))
    step_summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if format_name == "github" and step_summary:
        _append(Path(step_summary), FORMATS["markdown"](report) + "\n")
    raise typer.Exit(report.exit_status)


def _choose_format(name: str, choices: tuple[str, ...], *, as_json: bool) -> str:
    if name not in choices:
        raise UsageError(expected_one_of("--format", choices, name))
    if as_json and name not in {"text", "json"}:
        raise UsageError(f"Expected --json or --format {name}, but got both.")
    return "json" if as_json else name


def _gather(texts: list[str], file: str | None) -> list[Requirement]:
    from ortbench.results.requirements import parse_requirement, read_requirements

    gathered = [parse_requirement(text) for text in texts]
    if file:
        gathered += read_requirements(Path(file))
    if not gathered:
        raise UsageError(f"There is nothing to check. Give {_EXAMPLE}, or --requirements FILE.")
    return gathered


def _decide(results: Path, requirements: list[Requirement]) -> GateReport:
    from ortbench.results.gate import decide
    from ortbench.results.journal import read_rounds
    from ortbench.results.source import load_summary

    summary = load_summary(results)
    return decide(requirements, summary, read_rounds(results) if summary.paired else ())


def _append(path: Path, text: str) -> None:
    """Add to a file that is not ours, such as a job's summary."""
    from ortbench.results.folder import writing_product

    with wanted(path), writing_product(path), path.open("a", encoding="utf-8") as file:
        file.write(text + "\n")

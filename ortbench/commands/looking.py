"""Commands that show results again: `show`, `charts` and `report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ortbench.commands.answering import (
    Json,
    Margin,
    Results,
    answer,
    parse_margin,
    show_explanation,
    show_summary,
    wanted,
)


def show(
    results: Results,
    output: Annotated[
        str | None,
        typer.Option(help="Write to this file instead: .csv, .parquet, .md or .json.", metavar="FILE"),
    ] = None,
    explain: Annotated[
        str | None, typer.Option(help="Say where the time of this cell goes, as it was profiled.", metavar="CELL")
    ] = None,
    margin: Margin = None,
    as_json: Json = False,
) -> None:
    """Print the table again, rebuilt from the record, or the table of a CSV."""
    from ortbench.results.source import load_summary

    if explain is not None:
        show_explanation(Path(results), explain, Path(output) if output else None, as_json=as_json)
        return
    summary = load_summary(Path(results), parse_margin(margin))
    if output is None:
        show_summary(summary, as_json=as_json)
    else:
        from ortbench.results.source import write_as

        with wanted(Path(output)):
            write_as(summary, Path(output))
        answer({"file": output}, [output], as_json=as_json)


def charts(
    results: Results,
    output: Annotated[str | None, typer.Option(help="Folder for the charts.  [default: RESULTS/charts]")] = None,
    as_json: Json = False,
) -> None:
    """Draw the gallery, as PNG, SVG and interactive HTML."""
    from ortbench import products
    from ortbench.results.study import load_results

    folder = Path(output) if output else products.charts_folder(Path(results))
    with wanted(folder):
        files = products.draw_charts(load_results(Path(results)), folder)
    document = {"folder": str(folder), "files": [str(file) for file in files]}
    answer(document, [f"{len(files)} files in {folder}"], as_json=as_json)


def report(
    results: Results,
    output: Annotated[str | None, typer.Option(help="File for the report.  [default: RESULTS/report.html]")] = None,
    margin: Margin = None,
    as_json: Json = False,
) -> None:
    """Write one HTML page with the answer, the charts, the tables and the machine; it needs no network."""
    from ortbench import products
    from ortbench.results.study import load_results

    given = Path(results)
    place = Path(output) if output else products.report_file(given)
    with wanted(place):
        file = products.write_report(load_results(given, parse_margin(margin)), place)
    answer({"file": str(file), "size_bytes": file.stat().st_size}, [str(file)], as_json=as_json)

"""Commands about several runs: `diff` and `history`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ortbench.commands.answering import CHECK_FAILED, DONE, INCOMPLETE, Json, parse_margin, print_json
from ortbench.errors import UsageError, expected_one_of
from ortbench.streams import answer_lines

if TYPE_CHECKING:
    from ortbench.results.diff import RunDiff

_FAIL_ON = ("slower",)


def diff(
    old: Annotated[str, typer.Argument(help="The earlier results folder, or a CSV.", metavar="OLD")],
    new: Annotated[str, typer.Argument(help="The later results folder, or a CSV.", metavar="NEW")],
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Compare runs of different machines or artifacts, marked as such.")
    ] = False,
    fail_on: Annotated[
        str | None, typer.Option(help="slower: exit 1 where a speedup fell, 3 where that is inconclusive.")
    ] = None,
    margin: Annotated[
        str | None,
        typer.Option(
            help="A change by less is called the same.  [default: the wider of both runs']", show_default=False
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Say what changed between two runs: latencies, and speedups with a verdict."""
    from ortbench.charts.console import answer_console
    from ortbench.charts.diff_table import print_diff
    from ortbench.results.change import change_between
    from ortbench.results.study import load_results

    if fail_on is not None and fail_on not in _FAIL_ON:
        raise UsageError(expected_one_of("--fail-on", _FAIL_ON, fail_on))
    results = load_results(Path(old)), load_results(Path(new))
    found = change_between(*results, anyway=anyway, margin=parse_margin(margin))
    if as_json:
        print_json(found)
    else:
        print_diff(found, answer_console())
    raise typer.Exit(DONE if fail_on is None else _gate(found))


def history(
    folders: Annotated[list[str], typer.Argument(help="Results folders, or folders that hold some.", metavar="DIR")],
    batch_size: Annotated[
        int | None, typer.Option(help="Of the cell in the table.  [default: the smallest in all runs]", min=1)
    ] = None,
    threads: Annotated[int | None, typer.Option(help="Of the cell in the table; likewise.", min=1)] = None,
    output: Annotated[str, typer.Option(help="Folder for the charts, one for each engine.")] = "ortbench-history",
    as_json: Json = False,
) -> None:
    """Show one cell's latencies and speedups over many runs, and draw the speedups over time."""
    import msgspec

    from ortbench.charts.console import answer_console
    from ortbench.charts.diff_table import print_history
    from ortbench.charts.history import draw_history
    from ortbench.results.history import find_runs, make_history, read_stored

    stored = [read_stored(path) for path in find_runs([Path(folder) for folder in folders])]
    found = make_history(stored, batch_size, threads)
    try:
        files = draw_history(found, Path(output))
    except OSError as error:
        raise UsageError(f"The output folder '{output}' cannot be written: {error.strerror}.") from error
    if as_json:
        document = {**msgspec.to_builtins(found), "files": [str(file) for file in files]}
        print_json(document)
    else:
        print_history(found, answer_console())
        answer_lines([f"{len(files)} files in {output}"])


def _gate(found: RunDiff) -> int:
    verdicts = [arm.verdict for cell in found.cells for arm in cell.arms if arm.verdict]
    if "slower" in verdicts:
        return CHECK_FAILED
    return INCOMPLETE if "inconclusive" in verdicts or not verdicts else DONE

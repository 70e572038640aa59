"""Where one cell's time goes, for a terminal or a pipe."""

from __future__ import annotations

import shlex
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ortbench.charts.console import print_line
from ortbench.charts.explain_rows import Grid, class_grid, operator_grid, placement_grid, sentences
from ortbench.results.explanation import Explanation


def print_explanation(explanation: Explanation, console: Console, folder: Path) -> None:
    """Print what ran where, the time by class and by operator, and what that means.

    Args:
        explanation: of one cell.
        console: where to.
        folder: the results folder, for the command that would add a profile.
    """
    console.print(Text(f"{explanation.model} at {explanation.cell.id}, baseline {explanation.baseline}", style="bold"))
    ran = placement_grid(explanation)
    if ran.rows:
        console.print(build_grid(ran, numbers=False))
    if explanation.profiled:
        console.print(build_grid(class_grid(explanation)))
        console.print(build_grid(operator_grid(explanation)))
    for line in sentences(explanation):
        print_line(console, line)
    if not any(engine.profile for engine in explanation.engines):
        print_line(console, how_to_profile(explanation, folder))


def how_to_profile(explanation: Explanation, folder: Path) -> str:
    """Return the command that profiles a cell which was measured without."""
    where = shlex.quote(str(folder))
    return (
        "No profile was made of this cell. "
        f"`ortbench compare --study {where} --output {where} --resume --explain {explanation.cell.id}` makes one."
    )


def build_grid(grid: Grid, *, numbers: bool = True) -> Table:
    """Return a table of a grid; where it holds `numbers`, columns of figures stand to the right."""
    table = Table(box=SIMPLE_HEAD, title=Text(grid.title), title_justify="left")
    for index, heading in enumerate(grid.headings):
        figures = numbers and any(row[index].key is not None for row in grid.rows if len(row) > index)
        table.add_column(Text(heading), justify="right" if figures else "left")
    for row in grid.rows:
        table.add_row(*(Text(cell.text) for cell in row))
    table.add_section()
    for row in grid.totals:
        table.add_row(*(Text(cell.text) for cell in row))
    return table

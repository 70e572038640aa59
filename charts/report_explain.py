"""The report's tables of an explanation."""

from __future__ import annotations

from collections.abc import Sequence

from ortbench.charts.explain_rows import Grid, class_grid, operator_grid, placement_grid, sentences
from ortbench.charts.report_tables import ReportTable, TableRow
from ortbench.results.explanation import Explanation


def explanation_tables(explanation: Explanation) -> list[ReportTable]:
    """Return what ran where, the time by class and by operator; what they mean stands above the second."""
    if not explanation.profiled:
        return [_table(placement_grid(explanation), explanation)]
    return [
        _table(placement_grid(explanation), explanation),
        _table(class_grid(explanation), explanation, sentences(explanation)),
        _table(operator_grid(explanation), explanation),
    ]


def _table(grid: Grid, explanation: Explanation, notes: Sequence[str] = ()) -> ReportTable:
    cell = explanation.cell
    rows = [
        TableRow(cell.batch_size, cell.threads, cell.precision, cell.allocator, "", row)
        for row in [*grid.rows, *grid.totals]
    ]
    title = f"{grid.title[0].upper()}{grid.title[1:]}: batch size {cell.batch_size}, threads {cell.threads}"
    return ReportTable(title, grid.headings, rows, chosen=False, notes=notes)

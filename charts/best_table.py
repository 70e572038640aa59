"""Best against best as tables: in a terminal, and in the report."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ortbench.charts.console import print_line
from ortbench.charts.report_tables import Cell, ReportTable, TableRow
from ortbench.results.best_rows import headings, objectives, rows, sentences, title
from ortbench.results.summary import Summary

_WORDS = ("engine", "best way", "precision")


def print_best(summary: Summary, console: Console) -> None:
    """Print a table for each objective, with what it means; nothing where only one way was measured."""
    for objective in objectives(summary):
        console.print(_terminal_table(summary, objective))
        for sentence in sentences(summary, objective):
            print_line(console, f"note: {sentence}")


def best_tables(summary: Summary) -> list[ReportTable]:
    """Return the report's tables, which do not follow its choice of allocator: each row has its own."""
    return [
        ReportTable(
            title(objective).capitalize(),
            headings(summary, objective),
            [
                TableRow(one.batch_size, 0, one.precision, "", "", [Cell(text, key) for text, key in entries])
                for one, entries in rows(summary, objective)
            ],
            chosen=False,
            notes=[f"{sentence[0].upper()}{sentence[1:]}." for sentence in sentences(summary, objective)],
        )
        for objective in objectives(summary)
    ]


def _terminal_table(summary: Summary, objective: str) -> Table:
    table = Table(box=SIMPLE_HEAD, title=title(objective), title_justify="left", collapse_padding=True, pad_edge=False)
    for heading in headings(summary, objective):
        table.add_column(heading, justify="left" if heading in _WORDS else "right")
    last: tuple[str, int] | None = None
    for one, entries in rows(summary, objective):
        place = (one.precision, one.batch_size)
        if last not in (None, place):
            table.add_section()
        last = place
        table.add_row(*(escape(text) for text, _ in entries))
    return table

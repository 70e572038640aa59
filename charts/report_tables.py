"""The report's tables: every figure as text, and as a number to sort by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ortbench.results.attainable import roof_lines
from ortbench.results.lanes import accuracy
from ortbench.results.summary import ArmSummary, CellSummary, Summary
from ortbench.results.used import used_columns, used_figures, used_keys
from ortbench.units import format_significant


@dataclass(frozen=True)
class Cell:
    """What stands in one place; `key` is what it is sorted by, None for words."""

    text: str
    key: float | None = None


@dataclass(frozen=True)
class TableRow:
    """One row, with the cell of the study that it belongs to."""

    batch_size: int
    threads: int
    precision: str
    allocator: str
    instances: str
    cells: Sequence[Cell]


@dataclass(frozen=True)
class ReportTable:
    """A table; `chosen` where it follows the page's choices; `notes` stand above it."""

    title: str
    headings: Sequence[str]
    rows: Sequence[TableRow]
    chosen: bool = True
    notes: Sequence[str] = ()

    @property
    def numeric(self) -> list[bool]:
        """Which columns hold figures."""
        return [any(row.cells[place].key is not None for row in self.rows) for place in range(len(self.headings))]


_PLACE = ("engine", "batch size", "threads", "instances", "precision", "allocator", "load")
# The page's choices or its charts show these too, so that one value need not stand in every row.
_ONCE = ("instances", "precision", "allocator", "load")
_RESULT = (
    "latency ms",
    "95 %",
    "p90 ms",
    "p99 ms",
    "inferences/s",
    "busy",
    "speedup",
    "95 %",
    "verdict",
    "parity",
    "cosine",
    "top-1",
    "launches",
    "peak MiB",
)
_OF_PEAK = (
    "Of peak: the floating-point operations that an engine does in a second, as counted from the model, over what the "
    "machine allows at the same threads and instances: the lower of its measured matrix product and of its measured "
    "memory bandwidth times the operations that the model has for each byte."
)
_COLD = ("import s", "load s", "first call ms", "until steady s")


def report_tables(summary: Summary) -> list[ReportTable]:
    """Return the table of results, and the one of first use where that was measured."""
    arms = [(cell, arm) for cell in summary.cells for arm in cell.arms]
    used = used_columns(summary)
    rows = [_row(cell, arm, _result(arm, used)) for cell, arm in arms]
    notes = _about_roofs(summary)
    tables = [_table("Every figure", (*_PLACE, *_RESULT, *used.values()), rows, notes)]
    cold = [(cell, arm) for cell, arm in arms if arm.cold and not arm.twin]
    if cold:
        tables.append(_table("First use", _PLACE + _COLD, [_row(cell, arm, _first_use(arm)) for cell, arm in cold]))
    return tables


def _table(title: str, headings: Sequence[str], rows: list[TableRow], notes: Sequence[str] = ()) -> ReportTable:
    """Return a table without the columns that say nothing: empty ones, and a place that all rows have in common."""
    kept = [
        place
        for place, heading in enumerate(headings)
        for texts in [{row.cells[place].text for row in rows}]
        if texts != {""} and not (heading in _ONCE and len(texts) == 1)
    ]
    rows = [replace(row, cells=[row.cells[place] for place in kept]) for row in rows]
    return ReportTable(title, [headings[place] for place in kept], rows, notes=notes)


def _row(cell: CellSummary, arm: ArmSummary, cells: list[Cell]) -> TableRow:
    place = [
        Cell(arm.engine + (" (twin)" if arm.twin else "")),
        Cell(str(cell.batch_size), cell.batch_size),
        Cell(str(cell.threads), cell.threads),
        Cell(cell.shared_among),
        Cell(cell.precision),
        Cell(cell.allocator),
        Cell(cell.load),
    ]
    return TableRow(cell.batch_size, cell.threads, cell.precision, cell.allocator, cell.shared_among, [*place, *cells])


def _result(arm: ArmSummary, used: Mapping[str, str]) -> list[Cell]:
    latency, speedup, parity = arm.latency_ms, arm.speedup, arm.parity or {}
    verdict = arm.status if arm.status != "ok" else speedup.verdict if speedup else "baseline"
    agrees = "" if parity.get("ok") is None else "ok" if parity["ok"] else "failed"
    return [
        _number(latency.median if latency else None),
        _interval(latency.ci95 if latency else None),
        _number(latency.p90 if latency else None),
        _number(latency.p99 if latency else None),
        _number(arm.throughput_per_s),
        Cell(f"{arm.load.busy:.0%}", arm.load.busy) if arm.load and arm.load.busy is not None else Cell(""),
        Cell(f"{speedup.ratio:.3f}x", speedup.ratio) if speedup else Cell(""),
        _interval(speedup.ci95 if speedup else None),
        Cell(verdict),
        Cell(agrees),
        *(Cell(text, parity.get(name)) for text, name in zip(accuracy(arm), ("cosine", "top1_agreement"), strict=True)),
        Cell(str(arm.launches), arm.launches) if arm.launches else Cell(""),
        _number(arm.memory_mib),
        *map(Cell, used_figures(arm, used), used_keys(arm, used)),
    ]


def _about_roofs(summary: Summary) -> list[str]:
    lines = roof_lines(summary)
    return [_OF_PEAK, *(f"{line[:1].upper()}{line[1:]}." for line in lines)] if lines else []


def _first_use(arm: ArmSummary) -> list[Cell]:
    cold: Any = arm.cold
    return [_number(cold.import_s), _number(cold.load_s), _number(cold.first_call_ms), _number(cold.time_to_steady_s)]


def _number(value: float | None) -> Cell:
    return Cell("") if value is None else Cell(format_significant(value), value)


def _interval(bounds: tuple[float, float] | None) -> Cell:
    if bounds is None:
        return Cell("")
    low, high = bounds
    return Cell(f"{format_significant(low)} to {format_significant(high)}", low)

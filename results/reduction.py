"""Fewer cells of a summary, for tables and pictures that nobody could read with all of them. Pure functions."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TypeVar

import msgspec

from ortbench.results.summary import BestAgainstBest, CellSummary, Summary

_Value = TypeVar("_Value")
# Of a picture or a page: the values that one field of a cell may have, then cells.
_MOST_VALUES = {"model": 8, "precision": 8, "batch_size": 48, "threads": 256, "allocator": 16, "load": 16}
_MOST_ENGINES = 32
_MOST_CELLS = 2000
# Of best against best each has a row for every engine, beside the rows of the cells.
_MOST_PLACES = 100


def for_pictures(summary: Summary) -> Summary:
    """Return a summary that charts and the report can show, with a note where cells are left out."""
    kept = summary.cells
    for field, most in _MOST_VALUES.items():
        values = list(dict.fromkeys(getattr(cell, field) for cell in kept))
        if len(values) > most:
            wanted = set(evenly(sorted(values), most))
            kept = tuple(cell for cell in kept if getattr(cell, field) in wanted)
    return _with_cells(summary, kept, _MOST_CELLS, "Drawn")


def for_tables(summary: Summary, most: int = 500) -> Summary:
    """Return a summary that a terminal can show, with a note where cells are left out."""
    return _with_cells(summary, summary.cells, most, "Shown")


def evenly(values: Sequence[_Value], most: int) -> list[_Value]:
    """Return at most so many values at even distances, the first and the last among them."""
    if len(values) <= most:
        return list(values)
    return [values[round(place * (len(values) - 1) / (most - 1))] for place in range(most)]


def _with_cells(summary: Summary, cells: Sequence[CellSummary], most: int, done: str) -> Summary:
    kept = evenly(cells, most)
    engines = set(summary.engines[:_MOST_ENGINES]) | {summary.baseline}
    if len(kept) == len(summary.cells) and len(summary.engines) <= _MOST_ENGINES:
        return summary
    of_engines = [
        msgspec.structs.replace(cell, arms=tuple(arm for arm in cell.arms if arm.engine in engines)) for cell in kept
    ]
    shown = [cell for cell in of_engines if cell.arms]
    compared = {(one.precision, one.batch_size) for one in summary.best}
    places = dict.fromkeys((cell.precision, cell.batch_size) for cell in shown)
    of_best = set(evenly([place for place in places if place in compared], _MOST_PLACES))
    best_of = f", best against best for {len(of_best)} of {len(compared)} batch sizes" if compared else ""
    note = (
        f"{done} are {len(shown)} of {len(summary.cells)} cells and {min(len(summary.engines), _MOST_ENGINES)} of "
        f"{len(summary.engines)} engines{best_of}; `ortbench show --output FILE.csv` writes all"
    )
    return msgspec.structs.replace(
        summary,
        cells=tuple(shown),
        engines=tuple(engine for engine in summary.engines if engine in engines),
        best=tuple(_of(one, engines) for one in summary.best if (one.precision, one.batch_size) in of_best),
        notes=(note, *summary.notes),
    )


def _of(best: BestAgainstBest, engines: Collection[str]) -> BestAgainstBest:
    return msgspec.structs.replace(best, engines=tuple(way for way in best.engines if way.engine in engines))

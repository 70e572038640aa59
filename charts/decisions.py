"""Which pictures beyond the gallery there are for a summary and its record, and what they are called."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ortbench.charts import decision_frames as frames
from ortbench.charts import decision_marks as marks
from ortbench.charts.hollow import UNDECIDED, standing
from ortbench.charts.load import load_picture
from ortbench.charts.record_frames import round_rows, sample_rows, speed_rows
from ortbench.charts.roofline_marks import roofline_chart, roofline_rows
from ortbench.results.schema import PlannedCell, RoundRecord
from ortbench.results.summary import CellSummary, Summary

# Beyond so many cells the rounds of all of them would make a report too large to open.
_SMALL_STUDY = 12


@dataclass(frozen=True)
class Record:
    """The lines behind a summary; a CSV has none."""

    cells: Sequence[PlannedCell]
    rounds: Sequence[RoundRecord]

    def of(self, keys: set[str]) -> list[PlannedCell]:
        """Return the cells with these ids."""
        return [cell for cell in self.cells if cell.key.id in keys]


@dataclass(frozen=True)
class Picture:
    """A chart with what it is of.

    Attributes:
        kind: the part of the file name that says what is shown.
        threads, batch_size: the only one that it shows; None for several.
    """

    kind: str
    chart: dict[str, Any]
    threads: int | None = None
    batch_size: int | None = None


def decision_pictures(summary: Summary, name: str, record: Record | None, *, every: bool = False) -> Iterator[Picture]:
    """Yield the pictures of one combination of precision, instances, mode and allocator.

    Args:
        summary: the study.
        name: of the combination, as `frames.combination_name` gives it.
        record: the rounds, where there are any.
        every: one speedup chart for each thread count and one of the record for each batch size (and thread count,
            in a small study); else one of each, at the greatest thread count.
    """
    cells, engines = frames.of_combination(summary, name), list(summary.engines)
    about = " · ".join(part for part in (summary.model, name) if part)
    interval = "95 % intervals" if summary.paired else "the widest that the latencies allow"
    counts = sorted({cell.threads for cell in cells})
    for count in counts if every else counts[-1:]:
        own = [cell for cell in cells if cell.threads == count]
        place = f"{about} · {count} thread{'s' if count > 1 else ''}"
        if rows := frames.speedup_rows(own):
            yield Picture(
                "speedup", marks.speedup_chart(rows, engines, summary.baseline, place, interval), threads=count
            )
        if rows := roofline_rows(own):
            peaks = next(each for each in summary.peaks if (each.threads, each.instances) == own[0].key.layout)
            yield Picture("roofline", roofline_chart(rows, peaks, engines, place), threads=count)
        if rows := frames.scaling_rows(cells) if count == counts[-1] else []:
            yield from _scaling(rows, engines, about, every=every)
        if count == counts[-1] or len(cells) <= _SMALL_STUDY:
            yield from _record_pictures(own, record, engines, place, every=every)
    if rows := frames.pareto_rows(cells):
        yield Picture("latency-vs-throughput", marks.pareto_chart(rows, engines, about))
    if rows := frames.winner_rows(cells, summary.baseline):
        unwon = frames.unwon_rows(cells, summary.baseline)
        yield Picture("fastest-engine", marks.winner_chart(rows, unwon, engines, about))
    if rows := frames.cold_rows(cells):
        yield Picture("first-use", marks.cold_chart(rows, about))
    if rows := frames.memory_rows(cells):
        yield Picture("memory", marks.memory_chart(rows, engines, about))


def _scaling(rows: list[dict[str, Any]], engines: list[str], about: str, *, every: bool) -> Iterator[Picture]:
    sizes = frames.alternatives(rows, "batch_size")
    for size in sizes if every else sizes[-1:]:
        chart = marks.scaling_chart(
            [row for row in rows if row["batch_size"] == size], engines, f"{about} · batch size {size}"
        )
        yield Picture("scaling", chart, batch_size=size)


def _undecided(cell: CellSummary) -> list[str]:
    """Name the engines whose lines must not be taken for a difference."""
    names = [arm.engine for arm in cell.arms if not arm.twin and standing(arm) == UNDECIDED]
    return [f"no difference from the baseline shown: {', '.join(names)}"] if names else []


def _record_pictures(
    cells: Sequence[CellSummary], record: Record | None, engines: list[str], about: str, *, every: bool
) -> Iterator[Picture]:
    if record is None:
        return
    # A slice without a call has nothing to draw.
    record = replace(record, rounds=[line for line in record.rounds if line.samples_ns])
    for cell in cells if every else cells[-1:]:
        planned = record.of({cell.key.id})
        place = " · ".join([about, f"batch size {cell.batch_size}", *_undecided(cell)])
        if cell.load:
            # Its figures are of queries, waiting included, and their tail is the point.
            for one in planned:
                if under_load := load_picture(cell, one, record.rounds, engines, place):
                    yield Picture("load", under_load, cell.threads, cell.batch_size)
        elif rows := sample_rows(planned, record.rounds):
            chart = marks.samples_chart(rows, engines, place)
            yield Picture("samples", chart, cell.threads, cell.batch_size)
        if rows := round_rows(planned, record.rounds):
            chart = marks.rounds_chart(rows, speed_rows(record.rounds), engines, place)
            yield Picture("rounds", chart, cell.threads, cell.batch_size)

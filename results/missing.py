"""Which intervals are missing although several launches were made, and why. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ortbench.results.schema import ArmKey
from ortbench.results.summary import ArmSummary, CellSummary, arm_label


def missing_intervals(cells: Sequence[CellSummary]) -> list[str]:
    """Return a note for each cell in which launches differ too much for an interval.

    Nothing is said of arms with a single launch: a study as short as that says so by itself.
    """
    return [note for cell in cells for note in _of_cell(cell)]


def _of_cell(cell: CellSummary) -> Iterator[str]:
    """Name the arms of one cell by what is missing and why: several of them often share the reason's numbers."""
    found: dict[str, list[str]] = {}
    for arm in cell.arms:
        for what, reason in _reasons(arm):
            found.setdefault(reason, []).append(f"the {what} of {arm_label(ArmKey(arm.engine, twin=arm.twin))}")
    for reason, figures in found.items():
        yield f"{cell.key.id}: no interval for {' and '.join(figures)}: {reason}; measure longer, or when it is quieter"


def _reasons(arm: ArmSummary) -> Iterator[tuple[str, str]]:
    if arm.launches < 2:
        return
    for what, figure in (("latency", arm.latency_ms), ("speedup", arm.speedup)):
        if figure is not None and figure.no_interval:
            yield what, figure.no_interval

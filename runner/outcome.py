"""How a study ended, as run.json says it. Pure functions of the record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from ortbench.results.schema import LaunchRecord, PlannedCell, RoundRecord, Run, RunState


def finished_run(  # noqa: PLR0913 - everything that is known at the end
    run: Run,
    state: RunState,
    rounds: Sequence[RoundRecord],
    launches: Sequence[LaunchRecord],
    skipped: Mapping[str, str],
    time_s: Mapping[str, float],
) -> Run:
    """Return run.json's content at the end of a study.

    Args:
        run: as it stood at the beginning.
        state: how the study ended.
        rounds: everything measured.
        launches: every arm made ready, or how it ended.
        skipped: cell id -> why it was not begun.
        time_s: wall seconds by what they were spent on.
    """
    versions = dict(run.versions)
    for record in launches:
        versions |= record.versions
    measured = {record.cell for record in rounds}
    return msgspec.structs.replace(
        run,
        state=state,
        versions=versions,
        cells=tuple(_ended(cell, launches, measured, skipped) for cell in run.cells),
        time_s={name: round(seconds, 3) for name, seconds in time_s.items()},
    )


def _ended(
    cell: PlannedCell, launches: Sequence[LaunchRecord], measured: set[str], skipped: Mapping[str, str]
) -> PlannedCell:
    """Return the cell with the first fault of an arm, or why nothing was measured."""
    bad = [record for record in launches if record.cell == cell.key.id and record.status != "ok"]
    if bad:
        return msgspec.structs.replace(cell, status=bad[0].status, reason=bad[0].reason)
    if cell.key.id in measured:
        return msgspec.structs.replace(cell, status="ok")
    reason = skipped.get(cell.key.id, "the study ended before its turn")
    return msgspec.structs.replace(cell, status="skipped", reason=reason)

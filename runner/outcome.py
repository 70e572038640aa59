"""How a study ended, as run.json says it. Pure functions of the record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from ortbench.results.schema import ArtifactRecord, LaunchRecord, PlannedCell, Run, RunState
from ortbench.results.versions import runs_elsewhere
from ortbench.runner.record import StudyRecord


def with_artifacts(run: Run, artifacts: Mapping[str, ArtifactRecord]) -> Run:
    """Return run.json's content with the ONNX files, by precision; the first stands by itself too."""
    first = next(iter(artifacts.values()), None)
    return msgspec.structs.replace(run, artifact=first, artifacts=dict(artifacts))


def finished_run(run: Run, state: RunState, record: StudyRecord, time_s: Mapping[str, float]) -> Run:
    """Return run.json's content at the end of a study.

    Args:
        run: as it stood at the beginning.
        state: how the study ended.
        record: everything measured.
        time_s: wall seconds by what they were spent on.
    """
    versions: dict[str, str] = {}
    for launch in record.launches:
        # What runs in another interpreter has its versions there.
        if not runs_elsewhere(launch.engine, run.versions):
            versions |= launch.versions
    measured = {line.cell for line in record.rounds}
    return msgspec.structs.replace(
        run,
        state=state,
        # What was installed stands first: a study that is continued is compared with it.
        versions=versions | run.versions,
        cells=tuple(_ended(cell, record.launches, measured, record.skipped) for cell in run.cells),
        time_s={name: round(seconds, 3) for name, seconds in time_s.items()},
    )


def _ended(
    cell: PlannedCell, launches: Sequence[LaunchRecord], measured: set[str], skipped: Mapping[str, str]
) -> PlannedCell:
    """Return the cell with the first fault of an arm, or why nothing was measured."""
    if cell.key.id in skipped and cell.key.id not in measured:
        return msgspec.structs.replace(cell, status="skipped", reason=skipped[cell.key.id])
    bad = [record for record in launches if record.cell == cell.key.id and record.status != "ok"]
    if bad:
        return msgspec.structs.replace(cell, status=bad[0].status, reason=bad[0].reason)
    if cell.key.id in measured:
        return msgspec.structs.replace(cell, status="ok")
    return msgspec.structs.replace(cell, status="skipped", reason="the study ended before its turn")

"""How a study ended, as run.json says it. Pure functions of the record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from ortbench.results.schema import ArtifactRecord, LaunchRecord, PlannedCell, Run, RunState
from ortbench.results.versions import runs_elsewhere
from ortbench.runner.budget import GroupState, first_launch_seconds
from ortbench.runner.record import StudyRecord
from ortbench.units import format_seconds

# An overrun is told from so many seconds, and this share of the time, on.
_TOLD_S, _TOLD_SHARE = 1.0, 0.03
_OVERRUN = "this study took "
# Three launches give an interval that is of use, and what they cost varies.
_LAUNCHES_FOR_AN_INTERVAL = 3
_MARGIN = 1.15


def time_for_intervals_s(groups: Sequence[GroupState], max_time_s: float, cells_share: float = 1.0) -> float | None:
    """Return how long a study must be for an interval in every cell that was measured; None where all have one.

    Args:
        groups: with what their launches were seen to cost.
        max_time_s: that was too short.
        cells_share: of a study's time, the rest being for its finals.
    """
    measured = [group for group in groups if group.cells]
    if all(cell.launches > 1 for group in measured for cell in group.cells):
        return None
    more = _LAUNCHES_FOR_AN_INTERVAL - 1
    first = sum(group.start_s + sum(cell.cost.prepare_s for cell in group.cells) for group in measured)
    others = sum(more * (group.overhead_s + group.least_s) for group in measured)
    pilot_share = first_launch_seconds(1.0, 1)
    # The pilot's rounds get their share of any time, and are never fewer than the fewest.
    least = sum(group.least_s for group in measured)
    needed = max((first + others) / (1 - pilot_share), first + others + least)
    return max(needed * _MARGIN / cells_share, max_time_s * _MARGIN)


def overrun(max_time_s: float, time_s: Mapping[str, float]) -> str | None:
    """Say by how much a study took longer than it was given, and what its time went into; None where it did not.

    Args:
        max_time_s: as it was asked for.
        time_s: wall seconds by what they were spent on, `total` among them.
    """
    over_s = time_s.get("total", 0.0) - max_time_s
    if over_s < max(_TOLD_S, _TOLD_SHARE * max_time_s):
        return None
    parity_s, lost_s = time_s.get("parity", 0.0), time_s.get("lost", 0.0)
    counted = {
        "starting engines": time_s.get("starting", 0.0),
        "making them ready": time_s.get("preparing", 0.0),
        "rounds": time_s.get("rounds", 0.0),
        "the finals": time_s.get("finals", 0.0),
    }
    # What --max-time does not bound explains most, so it comes first.
    uncounted = {
        "checking outputs, which is not counted,": parity_s,
        "waiting for what hung, which is not counted,": max(0.0, lost_s - parity_s),
    }
    longest = [*_by_length(uncounted), *_by_length(counted)][:3]
    worded = ", ".join(f"{name} took {format_seconds(seconds)}" for name, seconds in longest)
    return f"{_OVERRUN}{format_seconds(over_s)} longer than its --max-time of {format_seconds(max_time_s)}" + (
        f": {worded}" if worded else ""
    )


def _by_length(parts: Mapping[str, float]) -> list[tuple[str, float]]:
    """Return the parts that are worth a word, the longest first."""
    return sorted(((name, seconds) for name, seconds in parts.items() if seconds >= _TOLD_S), key=lambda part: -part[1])


def with_overrun(run: Run, max_time_s: float) -> Run:
    """Return run.json's content with a note where the study took longer than it was given."""
    notes = tuple(note for note in run.notes if not note.startswith(_OVERRUN))
    told = overrun(max_time_s, run.time_s)
    return msgspec.structs.replace(run, notes=(*notes, told) if told else notes)


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

"""What a reader should know of a study, in words, each note by the module that knows. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from ortbench.results.agreement import parity_notes
from ortbench.results.attainable import roof_notes
from ortbench.results.attempts import Attempts
from ortbench.results.lanes import lane_notes
from ortbench.results.load import load_notes
from ortbench.results.machine_speed import untracked
from ortbench.results.missing import missing_intervals
from ortbench.results.pairing import NEVER_QUIET, mostly_spoiled
from ortbench.results.schema import LaunchRecord, RoundRecord, Run
from ortbench.results.summary import CellSummary


def summary_notes(
    run: Run,
    rounds: Sequence[RoundRecord],
    launches: Sequence[LaunchRecord],
    cells: Sequence[CellSummary],
    attempts: Attempts,
) -> list[str]:
    """Return what a reader should know, beside what the run itself says and why verdicts are withheld."""
    lines: dict[str, list[RoundRecord]] = defaultdict(list)
    for line in rounds:
        lines[line.cell].append(line)
    notes = [f"{cell.key.id}: {NEVER_QUIET}" for cell in run.cells if mostly_spoiled(lines[cell.key.id])]
    if run.state != "complete":
        notes.append(f"this study is {run.state}: figures are of what was measured so far")
    for what, compute in (
        ("whether the machine's speed was tracked", lambda: untracked(rounds)),
        ("what outputs hold", lambda: parity_notes(launches)),
        ("which intervals are missing", lambda: missing_intervals(cells)),
        ("how the lanes compare", lambda: lane_notes(cells)),
        ("what the load shows", lambda: load_notes(cells)),
        ("which roofs are missing", lambda: roof_notes(run.roofline, [cell.precision for cell in cells])),
    ):
        notes += attempts.of(what, compute, [])
    return notes

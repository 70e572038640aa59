"""What the record holds of each arm, and what is concluded from it alone: its speedup, and a verdict on it. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from ortbench.results.attempts import Attempts
from ortbench.results.elasticity import Elasticity, cell_elasticities
from ortbench.results.load import comparable
from ortbench.results.pairing import by_arm, cell_ratios, counted
from ortbench.results.schema import ArmKey, LaunchRecord, PlannedCell, RoundRecord, Run, Status
from ortbench.results.statistics import LogEstimate, estimate_over_launches
from ortbench.results.verdicts import Verdict, decide

# The id of a cell, and an arm of it.
ArmId = tuple[str, ArmKey]


@dataclass
class ArmRecord:
    """The lines of one arm in one cell, and what is concluded from them."""

    slices: Sequence[RoundRecord] = ()
    launches: list[LaunchRecord] = field(default_factory=list)
    speedup: LogEstimate | None = None
    verdict: Verdict = "inconclusive"
    elasticity: Elasticity | None = None

    def status(self, cell: PlannedCell) -> tuple[Status, str | None]:
        """An arm that ever failed or was invalid is so: the launches that happened to work are no study."""
        for launch in self.launches:
            if launch.status != "ok":
                return launch.status, launch.reason
        if not self.slices:
            return "skipped", cell.reason or "the study ended before its turn"
        return "ok", None


def arm_records(
    run: Run, lines: Mapping[str, Sequence[RoundRecord]], launches: Sequence[LaunchRecord], attempts: Attempts
) -> dict[ArmId, ArmRecord]:
    """Return what there is of every arm, with its speedup where it has one."""
    records: dict[ArmId, ArmRecord] = defaultdict(ArmRecord)
    for launch in launches:
        records[launch.cell, ArmKey(launch.engine, launch.twin)].launches.append(launch)
    for cell in run.cells:
        own = lines.get(cell.key.id, ())
        for arm, slices in by_arm(counted(own)).items():
            # A slice without a call says nothing.
            records[cell.key.id, arm].slices = [line for line in slices if line.samples_ns]
        attempts.of(
            f"{cell.key.id}: the speedups",
            partial(_estimate_speedups, cell, own, run.baseline, records, attempts),
            None,
        )
    return records


def _estimate_speedups(
    cell: PlannedCell,
    lines: Sequence[RoundRecord],
    baseline: str,
    records: Mapping[ArmId, ArmRecord],
    attempts: Attempts,
) -> None:
    base = records[cell.key.id, ArmKey(baseline)]
    if base.status(cell)[0] != "ok":
        return
    nobody: dict[ArmKey, Elasticity] = {}
    elasticities = attempts.of(f"{cell.key.id}: the elasticities", lambda: cell_elasticities(lines, baseline), nobody)
    for arm, ratios in cell_ratios(lines, baseline).items():
        own = records[cell.key.id, arm]
        if own.status(cell)[0] == "ok" and comparable(base.slices, own.slices, cell.key.batch_size):
            own.speedup = estimate_over_launches(ratios)
            own.elasticity = elasticities.get(arm)


def decide_all(records: Mapping[ArmId, ArmRecord], margin: float, doubted: Mapping[str, str]) -> None:
    """Decide all speedups of the study together, since each is one of many comparisons; a twin's for itself.

    Args:
        records: of every arm.
        margin: the band of every verdict.
        doubted: the cells whose verdicts are withheld, with the reason.
    """
    judged = [(cell, record) for (cell, arm), record in records.items() if record.speedup and not arm.twin]
    verdicts = decide([record.speedup for _, record in judged], margin)
    for (cell, record), verdict in zip(judged, verdicts, strict=True):
        record.verdict = "withheld" if cell in doubted else verdict
    for (_, arm), record in records.items():
        if arm.twin:
            [record.verdict] = decide([record.speedup], margin)

"""From the record to the summary. A pure function of run.json's content and the journal's lines."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from ortbench.results.agreement import parity_notes, telling_parity
from ortbench.results.attainable import arm_share, roof_notes
from ortbench.results.decomposition import best_against_best
from ortbench.results.elasticity import Elasticity, cell_elasticities
from ortbench.results.energy import items_of, joules_per_item
from ortbench.results.fairness import marks
from ortbench.results.faults import minor_faults_per_call
from ortbench.results.folder import read_run
from ortbench.results.instances import instance_medians_ms
from ortbench.results.journal import read_finals, read_launches, read_rounds
from ortbench.results.lanes import lane_notes
from ortbench.results.load import arm_load, comparable, load_marks, load_notes
from ortbench.results.loadgen import ArmLoad
from ortbench.results.machine_speed import drift, untracked
from ortbench.results.pairing import NEVER_QUIET, by_arm, cell_ratios, counted, mostly_spoiled
from ortbench.results.percentiles import PooledCalls
from ortbench.results.placement_marks import placement_marks
from ortbench.results.schema import ArmKey, LaunchRecord, PlannedCell, RoundRecord, Run, Status
from ortbench.results.slices import slice_marks
from ortbench.results.statistics import LogEstimate, estimate_over_launches
from ortbench.results.summary import ArmSummary, CellSummary, Cold, Latency, Speedup, Summary
from ortbench.results.verdicts import SMALLEST_BAND, Verdict, decide, distrust, resolution

_NS_PER_MS = 1e6
_NS_PER_S = 1e9

_ArmId = tuple[str, ArmKey]


@dataclass
class _ArmRecord:
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


def summarize_folder(folder: Path) -> Summary:
    """Rebuild the summary from a results folder's record.

    Raises:
        ResultsError: the folder or its record cannot be read.
    """
    return summarize(read_run(folder), read_rounds(folder), read_launches(folder), read_finals(folder))


def summarize(
    run: Run, rounds: Sequence[RoundRecord], launches: Sequence[LaunchRecord], finals: Sequence[RoundRecord] = ()
) -> Summary:
    """Derive the summary: latencies, paired speedups with intervals, verdicts over all cells, and best against best.

    Args:
        run: what was asked.
        rounds: every slice of its cells.
        launches: how their arms were made ready, or ended.
        finals: rounds in which the best of several cells met.
    """
    records: dict[_ArmId, _ArmRecord] = defaultdict(_ArmRecord)
    lines: dict[str, list[RoundRecord]] = defaultdict(list)
    for line in rounds:
        lines[line.cell].append(line)
    for launch in launches:
        records[launch.cell, ArmKey(launch.engine, launch.twin)].launches.append(launch)
    for cell in run.cells:
        for arm, own in by_arm(counted(lines[cell.key.id])).items():
            records[cell.key.id, arm].slices = own
        _estimate_speedups(cell, lines[cell.key.id], run.baseline, records)
    twins = [record.speedup for (_, arm), record in records.items() if arm.twin and record.speedup]
    resolved, doubt = resolution(twins), distrust(twins)
    _decide_all(records, max(SMALLEST_BAND, resolved or 0.0), withheld=doubt is not None)
    notes = [*run.notes, *([doubt] if doubt else []), *_notes(run, lines), *untracked(rounds), *parity_notes(launches)]
    cells = tuple(_cell(cell, run, records) for cell in run.cells)
    return Summary(
        model=run.model,
        baseline=run.baseline,
        engines=run.engines,
        paired=True,
        machine=run.machine,
        cells=cells,
        resolution=resolved,
        spoiled_rounds=sum(line.spoiled is not None for line in rounds) / len(rounds) if rounds else None,
        drift=drift([line.sentinel_ns for line in rounds if line.sentinel_ns]),
        best=best_against_best(cells, run.baseline, finals),
        notes=(
            *notes,
            *lane_notes(cells),
            *load_notes(cells),
            *roof_notes(run.roofline, [cell.precision for cell in cells]),
        ),
        peaks=run.roofline.peaks if run.roofline else (),
    )


def _estimate_speedups(
    cell: PlannedCell, lines: Sequence[RoundRecord], baseline: str, records: Mapping[_ArmId, _ArmRecord]
) -> None:
    base = records[cell.key.id, ArmKey(baseline)]
    if base.status(cell)[0] != "ok":
        return
    elasticities = cell_elasticities(lines, baseline)
    for arm, ratios in cell_ratios(lines, baseline).items():
        own = records[cell.key.id, arm]
        if own.status(cell)[0] == "ok" and comparable(base.slices, own.slices, cell.key.batch_size):
            own.speedup = estimate_over_launches(ratios)
            own.elasticity = elasticities.get(arm)


def _decide_all(records: Mapping[_ArmId, _ArmRecord], band: float, *, withheld: bool) -> None:
    """Decide all speedups of the study together, since each is one of many comparisons; a twin's for itself."""
    judged = [record for (_, arm), record in records.items() if record.speedup and not arm.twin]
    for record, verdict in zip(judged, decide([record.speedup for record in judged], band), strict=True):
        record.verdict = "withheld" if withheld else verdict
    for (_, arm), record in records.items():
        if arm.twin:
            [record.verdict] = decide([record.speedup])


def _notes(run: Run, lines: Mapping[str, Sequence[RoundRecord]]) -> list[str]:
    notes = [f"{cell.key.id}: {NEVER_QUIET}" for cell in run.cells if mostly_spoiled(lines[cell.key.id])]
    if run.state != "complete":
        notes.append(f"this study is {run.state}: figures are of what was measured so far")
    return notes


def _cell(cell: PlannedCell, run: Run, records: dict[_ArmId, _ArmRecord]) -> CellSummary:
    arms = tuple(_arm(arm, cell, run, records[cell.key.id, arm]) for arm in cell.arms)
    last = {arm: found.launches[-1] for arm in cell.arms if (found := records[cell.key.id, arm]).launches}
    unequal = marks(last, run.baseline)
    arms = tuple(
        msgspec.structs.replace(
            arm,
            marks=arm.marks
            + unequal.get(ArmKey(arm.engine, arm.twin), ())
            + (() if arm.twin else slice_marks(run.slices, cell.key, arm.engine)),
            roofline=arm_share(run.roofline, cell.key, arm),
        )
        for arm in arms
    )
    return CellSummary(**msgspec.structs.asdict(cell.key), arms=arms)


def _arm(arm: ArmKey, cell: PlannedCell, run: Run, record: _ArmRecord) -> ArmSummary:
    status, reason = record.status(cell)
    samples = [sample for line in record.slices for sample in line.samples_ns]
    half_width = record.speedup.relative_half_width() if record.speedup else None
    target = run.settings.get("target")
    last = record.launches[-1] if record.launches else None
    load = arm_load(record.slices, cell.key.batch_size)
    return ArmSummary(
        engine=arm.engine,
        twin=arm.twin,
        status=status,
        reason=reason,
        steady=all(launch.steady for launch in record.launches) if status == "ok" else None,
        target_met=half_width is not None and half_width <= target if record.speedup and target else None,
        latency_ms=_latency(record.slices) if samples else None,
        throughput_per_s=_throughput_per_s(record.slices, cell.key.batch_size, load) if samples else None,
        speedup=_speedup(record, run.baseline),
        rounds=len(record.slices),
        launches=len({line.launch for line in record.slices}),
        samples=len(samples),
        parity=telling_parity(record.launches),
        placement=last.placement if last else None,
        memory_mib=_largest(launch.memory_mib for launch in record.launches),
        cold=_cold(record.launches),
        versions=last.versions if last else {},
        evidence=last.evidence if last else None,
        pss_mib=_largest(launch.pss_mib for launch in record.launches),
        gpu_memory_mib=_largest(launch.gpu_memory_mib for launch in record.launches),
        marks=(placement_marks(last.placement) if last else ()) + (() if arm.twin else load_marks(load, cell.key)),
        joules_per_item=joules_per_item(record.slices, cell.key.batch_size),
        instance_latency_ms=instance_medians_ms(record.slices),
        load=load,
        minor_faults_per_call=minor_faults_per_call(record.slices),
        elasticity=record.elasticity,
    )


def _largest(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def _speedup(record: _ArmRecord, baseline: str) -> Speedup | None:
    if record.speedup is None:
        return None
    return Speedup(
        baseline=baseline, ratio=record.speedup.value, ci95=record.speedup.interval(), verdict=record.verdict
    )


def _latency(slices: Sequence[RoundRecord]) -> Latency:
    by_launch: dict[int, list[float]] = defaultdict(list)
    for record in slices:
        by_launch[record.launch].extend(sample / _NS_PER_MS for sample in record.samples_ns)
    calls = PooledCalls(by_launch.values())
    median = statistics.median(calls.ordered)
    logs = [[math.log(max(sample, 1 / _NS_PER_MS)) for sample in launch] for launch in by_launch.values()]
    spread = estimate_over_launches(logs)
    # Around the pooled median, which is what the interval is printed beside.
    estimate = spread.moved_to(math.log(median)) if spread and median > 0 else None
    return Latency(
        median=median,
        mean=statistics.fmean(calls.ordered),
        min=calls.ordered[0],
        max=calls.ordered[-1],
        p90=calls.percentile(90),
        p95=calls.percentile(95),
        p99=calls.percentile(99),
        ci95=estimate.interval() if estimate else None,
        p90_ci95=calls.interval(90),
        p95_ci95=calls.interval(95),
        p99_ci95=calls.interval(99),
    )


def _throughput_per_s(slices: Sequence[RoundRecord], batch_size: int, load: ArmLoad | None) -> float:
    # None where nothing arrives by itself, and 0 where each run was of a single query, which begins the time.
    if load and load.completed_per_s:
        return load.completed_per_s
    return sum(items_of(line, batch_size) for line in slices) * _NS_PER_S / _wall_ns(slices)


def _wall_ns(slices: Sequence[RoundRecord]) -> int:
    """Return the wall time of an arm's slices: between its first call's beginning and its last call's end."""
    return max(sum(line.wall_ns or sum(line.samples_ns) for line in slices), 1)


def _cold(launches: Sequence[LaunchRecord]) -> Cold | None:
    whole = [launch for launch in launches if launch.first_call_ns is not None]
    if not whole:
        return None
    to_steady = [
        (launch.import_s or 0)
        + (launch.load_s or 0)
        + ((launch.first_call_ns or 0) + sum(launch.warm_up_ns)) / _NS_PER_S
        for launch in whole
    ]
    return Cold(
        import_s=statistics.median(launch.import_s or 0 for launch in whole),
        load_s=statistics.median(launch.load_s or 0 for launch in whole),
        first_call_ms=statistics.median((launch.first_call_ns or 0) / _NS_PER_MS for launch in whole),
        time_to_steady_s=statistics.median(to_steady),
        build_s=_largest(launch.build_s for launch in launches),
    )

"""From the record to the summary. A pure function of run.json's content and the journal's lines."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from ortbench.results.folder import read_run
from ortbench.results.journal import read_launches, read_rounds
from ortbench.results.schema import ArmKey, LaunchRecord, PlannedCell, RoundRecord, Run, Status
from ortbench.results.statistics import LogEstimate, estimate_over_launches, paired_log_ratios, percentile
from ortbench.results.summary import ArmSummary, CellSummary, Cold, Latency, Speedup, Summary
from ortbench.results.verdicts import Verdict, decide

_NS_PER_MS = 1e6
_NS_PER_S = 1e9

_ArmId = tuple[str, ArmKey]


@dataclass
class _ArmRecord:
    """The lines of one arm in one cell, and what is concluded from them."""

    slices: list[RoundRecord] = field(default_factory=list)
    launches: list[LaunchRecord] = field(default_factory=list)
    speedup: LogEstimate | None = None
    verdict: Verdict = "inconclusive"

    def status(self, cell: PlannedCell) -> tuple[Status, str | None]:
        """An arm that ever failed or was invalid is so: the launches that happened to work are no study."""
        for launch in self.launches:
            if launch.status != "ok":
                return launch.status, launch.reason
        if not self.slices:
            return "skipped", cell.reason or "the study ended before its turn"
        return "ok", None

    def latencies(self) -> dict[tuple[int, int], float]:
        """Return (launch, round) -> the slice's latency in ns."""
        return {(line.launch, line.round): max(statistics.median(line.samples_ns), 1) for line in self.slices}


def summarize_folder(folder: Path) -> Summary:
    """Rebuild the summary from a results folder's record.

    Raises:
        ResultsError: the folder or its record cannot be read.
    """
    return summarize(read_run(folder), read_rounds(folder), read_launches(folder))


def summarize(run: Run, rounds: Sequence[RoundRecord], launches: Sequence[LaunchRecord]) -> Summary:
    """Derive the summary: latencies, paired speedups with intervals, and verdicts over all cells."""
    records: dict[_ArmId, _ArmRecord] = defaultdict(_ArmRecord)
    for line in rounds:
        records[line.cell, ArmKey(line.engine, line.twin)].slices.append(line)
    for launch in launches:
        records[launch.cell, ArmKey(launch.engine, launch.twin)].launches.append(launch)
    for cell in run.cells:
        _estimate_speedups(cell, run.baseline, records)
    _decide_all(record for (_, arm), record in records.items() if not arm.twin)
    notes = list(run.notes)
    if run.state != "complete":
        notes.append(f"this study is {run.state}: figures are of what was measured so far")
    return Summary(
        model=run.model,
        baseline=run.baseline,
        engines=run.engines,
        paired=True,
        machine=run.machine,
        cells=tuple(_cell(cell, run, records) for cell in run.cells),
        notes=tuple(notes),
    )


def _estimate_speedups(cell: PlannedCell, baseline: str, records: dict[_ArmId, _ArmRecord]) -> None:
    against = records[cell.key.id, ArmKey(baseline)]
    if against.status(cell)[0] != "ok":
        return
    for arm in cell.arms:
        own = records[cell.key.id, arm]
        if arm != ArmKey(baseline) and own.status(cell)[0] == "ok":
            own.speedup = estimate_over_launches(paired_log_ratios(against.latencies(), own.latencies()))


def _decide_all(records: Iterable[_ArmRecord]) -> None:
    """Decide all speedups of the study together, since each is one of many comparisons."""
    judged = [record for record in records if record.speedup]
    for record, verdict in zip(judged, decide([record.speedup for record in judged]), strict=True):
        record.verdict = verdict


def _cell(cell: PlannedCell, run: Run, records: dict[_ArmId, _ArmRecord]) -> CellSummary:
    arms = tuple(_arm(arm, cell, run, records[cell.key.id, arm]) for arm in cell.arms)
    return CellSummary(**msgspec.structs.asdict(cell.key), arms=arms)


def _arm(arm: ArmKey, cell: PlannedCell, run: Run, record: _ArmRecord) -> ArmSummary:
    status, reason = record.status(cell)
    samples = [sample for line in record.slices for sample in line.samples_ns]
    half_width = record.speedup.relative_half_width() if record.speedup else None
    target = run.settings.get("target")
    last = record.launches[-1] if record.launches else None
    return ArmSummary(
        engine=arm.engine,
        twin=arm.twin,
        status=status,
        reason=reason,
        steady=all(launch.steady for launch in record.launches) if status == "ok" else None,
        target_met=half_width is not None and half_width <= target if record.speedup and target else None,
        latency_ms=_latency(record.slices) if samples else None,
        throughput_per_s=cell.key.batch_size * len(samples) * _NS_PER_S / max(sum(samples), 1) if samples else None,
        speedup=_speedup(record, run.baseline),
        rounds=len(record.slices),
        launches=len({line.launch for line in record.slices}),
        samples=len(samples),
        parity=last.parity if last else None,
        placement=last.placement if last else None,
        memory_mib=max((launch.memory_mib for launch in record.launches if launch.memory_mib), default=None),
        cold=_cold(record.launches),
    )


def _speedup(record: _ArmRecord, baseline: str) -> Speedup | None:
    if record.speedup is None:
        return None
    return Speedup(
        baseline=baseline, ratio=record.speedup.value, ci95=record.speedup.interval(), verdict=record.verdict
    )


def _latency(slices: Sequence[RoundRecord]) -> Latency:
    samples = sorted(sample / _NS_PER_MS for record in slices for sample in record.samples_ns)
    by_launch: dict[int, list[float]] = defaultdict(list)
    for record in slices:
        by_launch[record.launch].extend(math.log(max(sample, 1) / _NS_PER_MS) for sample in record.samples_ns)
    median = statistics.median(samples)
    spread = estimate_over_launches(list(by_launch.values()))
    # Centred on the pooled median, which is what the interval is printed beside.
    estimate = dataclasses.replace(spread, center=math.log(median)) if spread and median > 0 else None
    return Latency(
        median=median,
        mean=statistics.fmean(samples),
        min=samples[0],
        max=samples[-1],
        p90=percentile(samples, 90),
        p95=percentile(samples, 95),
        p99=percentile(samples, 99),
        ci95=estimate.interval() if estimate else None,
    )


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
    )

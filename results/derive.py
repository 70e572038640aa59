"""From the record to the summary. A pure function of run.json's content and the journal's lines."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

import msgspec

from ortbench.results.agreement import telling_parity
from ortbench.results.arm_figures import Measured, cold, largest, latency, memory, throughput
from ortbench.results.arm_records import ArmId, ArmRecord, arm_records, decide_all
from ortbench.results.attainable import arm_share
from ortbench.results.attempts import Attempts
from ortbench.results.decomposition import best_against_best
from ortbench.results.energy import joules_per_item
from ortbench.results.fairness import marks
from ortbench.results.faults import minor_faults_per_call
from ortbench.results.folder import read_run
from ortbench.results.instances import instance_medians_ms
from ortbench.results.journal import read_finals, read_launches, read_rounds
from ortbench.results.load import arm_load, load_marks
from ortbench.results.machine_speed import drift
from ortbench.results.notes import summary_notes
from ortbench.results.placement_marks import binding_marks, placement_marks
from ortbench.results.schema import ArmKey, LaunchRecord, PlannedCell, RoundRecord, Run
from ortbench.results.slices import slice_marks
from ortbench.results.summary import ArmSummary, CellSummary, Speedup, Summary, arm_label
from ortbench.results.trust import Group, doubts
from ortbench.results.verdicts import DEFAULT_MARGIN, resolution
from ortbench.units import typed_duration

_Figure = TypeVar("_Figure")


def summarize_folder(folder: Path, margin: float | None = None) -> Summary:
    """Rebuild the summary from a results folder's record.

    Args:
        folder: of the study.
        margin: judge by this one instead of the study's own.

    Raises:
        ResultsError: the folder or its record cannot be read.
    """
    run = judged_by(read_run(folder), margin)
    return summarize(run, read_rounds(folder), read_launches(folder), read_finals(folder))


def summarize(
    run: Run, rounds: Sequence[RoundRecord], launches: Sequence[LaunchRecord], finals: Sequence[RoundRecord] = ()
) -> Summary:
    """Derive the summary: latencies, paired speedups with intervals, verdicts over all cells, and best against best.

    Any record has one: a figure that cannot be computed is left out with a note (`results/attempts.py`).

    Args:
        run: what was asked.
        rounds: every slice of its cells.
        launches: how their arms were made ready, or ended.
        finals: rounds in which the best of several cells met.
    """
    attempts, margin = Attempts(), margin_of(run)
    lines: dict[str, list[RoundRecord]] = defaultdict(list)
    for line in rounds:
        lines[line.cell].append(line)
    records = arm_records(run, lines, launches, attempts)
    nobody: dict[Group, str] = {}
    doubt = attempts.of(
        "whether the baseline agrees with its twins", lambda: doubts(run.cells, lines, run.baseline), nobody
    )
    doubted = {cell.key.id: doubt[cell.key.launch] for cell in run.cells if cell.key.launch in doubt}
    attempts.of("the verdicts", lambda: decide_all(records, margin, doubted), None)
    cells = tuple(_cell(cell, run, records, doubted.get(cell.key.id), attempts) for cell in run.cells)
    twins = [record.speedup for (_, arm), record in records.items() if arm.twin and record.speedup]
    notes = summary_notes(run, rounds, launches, cells, attempts)
    sentinel = [line.sentinel_ns for line in rounds if line.sentinel_ns]
    return Summary(
        model=run.model,
        baseline=run.baseline,
        engines=run.engines,
        paired=True,
        machine=run.machine,
        cells=cells,
        resolution=attempts.of("the resolution", lambda: resolution(twins), None),
        margin=margin,
        spoiled_rounds=sum(line.spoiled is not None for line in rounds) / len(rounds) if rounds else None,
        drift=attempts.of("the machine's drift", lambda: drift(sentinel), None),
        best=attempts.of("best against best", lambda: best_against_best(cells, run.baseline, finals), ()),
        notes=(*run.notes, *dict.fromkeys(doubt.values()), *notes, *attempts.notes),
        peaks=run.roofline.peaks if run.roofline else (),
        max_time_for_intervals=typed_duration(run.time_for_intervals_s) if run.time_for_intervals_s else None,
    )


def judged_by(run: Run, margin: float | None) -> Run:
    """Return a run with another margin, which its verdicts are then by; as it is where None is given."""
    return run if margin is None else msgspec.structs.replace(run, settings=run.settings | {"margin": margin})


def margin_of(run: Run) -> float:
    """Return the margin that a study was asked for; records from before there was one have the default."""
    margin = run.settings.get("margin")
    return margin if isinstance(margin, float) and 0 < margin <= 1 else DEFAULT_MARGIN


def _cell(
    cell: PlannedCell, run: Run, records: dict[ArmId, ArmRecord], doubt: str | None, attempts: Attempts
) -> CellSummary:
    arms = [_arm(arm, cell, run, records[cell.key.id, arm], attempts) for arm in cell.arms]
    last = {arm: found.launches[-1] for arm in cell.arms if (found := records[cell.key.id, arm]).launches}
    where = cell.key.id
    unmarked: dict[ArmKey, tuple[str, ...]] = {}
    unequal = attempts.of(f"{where}: whether the comparison is equal", lambda: marks(last, run.baseline), unmarked)
    told = [
        msgspec.structs.replace(
            arm,
            marks=arm.marks
            + unequal.get(ArmKey(arm.engine, arm.twin), ())
            + (() if arm.twin else slice_marks(run.slices, cell.key, arm.engine)),
            roofline=attempts.of(
                f"{where}: the share of the peak of {arm.engine}", partial(arm_share, run.roofline, cell.key, arm), None
            ),
        )
        for arm in arms
    ]
    return CellSummary(**msgspec.structs.asdict(cell.key), arms=tuple(told), doubt=doubt)


def _arm(arm: ArmKey, cell: PlannedCell, run: Run, record: ArmRecord, attempts: Attempts) -> ArmSummary:
    status, reason = record.status(cell)
    slices, batch_size = record.slices, cell.key.batch_size
    last = record.launches[-1] if record.launches else None
    whose = f"{cell.key.id}: {arm_label(arm)}:"

    def of(what: str, compute: Callable[[], _Figure], instead: _Figure) -> _Figure:
        return attempts.of(f"{whose} {what}", compute, instead) if slices else instead

    load = of("the load", lambda: arm_load(slices, batch_size), None)
    speedup = of("the speedup", lambda: _speedup(record, run.baseline), None)
    rate = of("the throughput", lambda: throughput(slices, batch_size, load), Measured())
    resident = attempts.of(f"{whose} the memory", lambda: memory(record.launches), Measured())
    return ArmSummary(
        engine=arm.engine,
        twin=arm.twin,
        status=status,
        reason=reason,
        steady=all(launch.steady for launch in record.launches) if status == "ok" else None,
        target_met=_target_met(speedup, run.settings.get("target")),
        latency_ms=of("the latency", lambda: latency(slices, attempts, whose), None),
        throughput_per_s=rate.value,
        throughput_ci95=rate.ci95,
        speedup=speedup,
        rounds=len(slices),
        launches=len({line.launch for line in slices}),
        samples=sum(len(line.samples_ns) for line in slices),
        parity=attempts.of(f"{whose} the parity", lambda: telling_parity(record.launches), None),
        placement=last.placement if last else None,
        memory_mib=resident.value,
        memory_ci95=resident.ci95,
        cold=attempts.of(f"{whose} the first use", lambda: cold(record.launches), None),
        versions=last.versions if last else {},
        evidence=last.evidence if last else None,
        pss_mib=largest(launch.pss_mib for launch in record.launches),
        gpu_memory_mib=largest(launch.gpu_memory_mib for launch in record.launches),
        marks=(placement_marks(last.placement) if last else ())
        + (() if arm.twin else (*binding_marks(last.evidence if last else None), *load_marks(load, cell.key))),
        joules_per_item=of("the energy", lambda: joules_per_item(slices, batch_size), None),
        instance_latency_ms=of("the instances' latencies", lambda: instance_medians_ms(slices), ()),
        load=load,
        minor_faults_per_call=of("the page faults", lambda: minor_faults_per_call(slices), None),
        elasticity=record.elasticity,
    )


def _target_met(speedup: Speedup | None, target: float | None) -> bool | None:
    if speedup is None or not target:
        return None
    return speedup.ci95 is not None and (speedup.ci95[1] - speedup.ci95[0]) / 2 / speedup.ratio <= target


def _speedup(record: ArmRecord, baseline: str) -> Speedup | None:
    own = record.speedup
    if own is None:
        return None
    return Speedup(
        baseline=baseline,
        ratio=own.value,
        ci95=own.interval(),
        verdict=record.verdict,
        no_interval=own.no_interval,
        method=own.method,
    )

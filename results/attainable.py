"""Each arm's share of the attainable peak, from the record, and what a reader should know of it. Pure functions."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ortbench.results.roofline import FAKE, MEASURED_ARITHMETIC, Peaks, Roofline, Share, share_of_peak
from ortbench.units import format_significant, percent

if TYPE_CHECKING:
    from ortbench.results.schema import CellKey
    from ortbench.results.summary import ArmSummary, Summary

# More layouts than these make no line.
_MOST_LAYOUTS = 4


def arm_share(roofline: Roofline | None, cell: CellKey, arm: ArmSummary) -> Share | None:
    """Return how much of the attainable peak an arm reaches in a cell; None where that is not known.

    Instances that run their own batches are judged by what they finish together, all others by the latency of the
    whole batch; under a load by how long a call of it took, without what a request waited before.
    """
    if roofline is None or arm.status != "ok" or arm.latency_ms is None or arm.engine in roofline.without_roof:
        return None
    peaks, work = roofline.of_layout(cell.threads, cell.instances), roofline.work.get(cell.precision)
    if peaks is None or work is None or not work.flops_per_item:
        return None
    if {work.arithmetic, _lane(cell, arm)} != {MEASURED_ARITHMETIC}:
        return None
    if cell.mode == "stream":
        return share_of_peak(work, peaks, cell.batch_size, arm.throughput_per_s) if arm.throughput_per_s else None
    seconds = (arm.load.call_ms if arm.load and arm.load.call_ms else arm.latency_ms.median) / 1e3
    return share_of_peak(work, peaks, cell.batch_size / cell.instances, cell.batch_size / seconds) if seconds else None


def _lane(cell: CellKey, arm: ArmSummary) -> str:
    """Return what the arm computes in: its own option of precision goes before the cell's."""
    told = (arm.evidence or {}).get("precision") or {}
    return str(told.get("lane", cell.precision))


def roof_notes(roofline: Roofline | None, precisions: Sequence[str]) -> list[str]:
    """Say why a share is not known; nothing of a study too short for any roof, which wants no more words.

    Args:
        roofline: of the record.
        precisions: the lanes of the study.
    """
    if roofline is None:
        return []
    notes = [roofline.reason] if roofline.reason else []
    missing = {engine: why for engine, why in roofline.without_roof.items() if why != FAKE}
    if roofline.peaks:
        notes += [roofline.left_out] if roofline.left_out else []
        notes += _disturbed(roofline.peaks)
        notes += [f"no share of the peak for {engine}: {why}" for engine, why in missing.items()]
        found = {lane: roofline.work[lane].arithmetic for lane in precisions if lane in roofline.work}
        others = dict.fromkeys(kind for kind in found.values() if kind != MEASURED_ARITHMETIC)
        notes += [f"no share of the peak in {kind}: no roof is measured for its arithmetic" for kind in others]
        if any(not work.flops_per_item for work in roofline.work.values()):
            notes.append("no share of the peak: the model has no convolutions and no matrix products")
    return notes


def _disturbed(peaks: Sequence[Peaks]) -> list[str]:
    held = [each for each in peaks if each.disturbed]
    if not held:
        return []
    layouts = ", ".join(f"{each.instances} x {each.threads}" for each in held)
    doubt = f"the roofs of instances x threads of {layouts} may be too low, and shares of them too high"
    return [f"{doubt}: {held[0].disturbed} while they were measured, twice"]


def roof_lines(summary: Summary) -> list[str]:
    """Return the roofs that were measured, and each arm above its own with what explains it."""
    if not summary.peaks or not any(arm.roofline for cell in summary.cells for arm in cell.arms):
        return []
    layouts = [_told(peaks) for peaks in summary.peaks]
    if len(layouts) > _MOST_LAYOUTS:
        layouts = [*layouts[: _MOST_LAYOUTS - 1], f"{len(layouts) - _MOST_LAYOUTS + 1} more in run.json"]
    return [f"roofs: {'; '.join(layouts)}", *_above(summary)]


def _told(peaks: Peaks) -> str:
    threads = f"{peaks.threads} thread{'s' if peaks.threads > 1 else ''}"
    layout = threads if peaks.instances == 1 else f"{peaks.instances} instances of {threads}"
    arithmetic, memory = (format_significant(value) for value in (peaks.gflop_per_s, peaks.gbyte_per_s))
    product, stream = (f" ({name})" if name else "" for name in (peaks.product, peaks.stream))
    return f"{layout} {arithmetic} GFLOP/s{product}, {memory} GB/s{stream}"


def _above(summary: Summary) -> Iterator[str]:
    """Gather what is above its roof by engine and explanation: most often it is the same in many cells."""
    found: dict[tuple[str, str], list[tuple[float, str]]] = defaultdict(list)
    known: Counter[str] = Counter()
    for cell in summary.cells:
        for arm in cell.arms:
            if arm.roofline is None or arm.twin:
                continue
            known[arm.engine] += 1
            # What is above by less than is shown reads as being at it.
            if arm.roofline.explanation and round(arm.roofline.share, 2) > 1:
                found[arm.engine, arm.roofline.explanation].append((arm.roofline.share, cell.place))
    told: dict[str, list[str]] = defaultdict(list)
    for (engine, explanation), shares in found.items():
        share, place = max(shares)
        where = f"in {len(shares)} of {known[engine]} cells, up to " if known[engine] > 1 else ""
        told[explanation].append(f"{engine} {where}{percent(share)} at {place}")
    for explanation, engines in told.items():
        yield f"above the roof: {'; '.join(engines)}: {explanation}"
